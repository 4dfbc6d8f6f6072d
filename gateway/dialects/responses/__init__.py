"""OpenAI's Responses API: /v1/responses.

Passed through to engines that have it, otherwise translated to a chat completion and
back. Responses are not stored.
"""
