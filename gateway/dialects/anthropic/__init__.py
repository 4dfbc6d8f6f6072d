"""Anthropic's dialect: /v1/messages and /v1/messages/count_tokens.

Passed through to engines that have it, otherwise translated to a chat completion and
back.
"""
