"""Metrics and logs.

collectors sample hosts, GPUs and engines; history stores samples and answers queries;
live publishes them to open pages; exports, prometheus and logs serve files, scrapes and
engine logs.
"""
