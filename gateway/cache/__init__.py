"""Repeat answers that would be the same again, for models that have a response cache.

store is the pure core, in the memory of each process; responses decides which requests
it serves.
"""
