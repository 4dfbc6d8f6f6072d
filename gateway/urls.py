"""Paths that the gateway serves; Django serves all others."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import GatewayError, anthropic_error, openai_error, platform_error

GENERATE = "generate"
CHAT = "chat completions"
COMPLETIONS = "completions"
EMBEDDINGS = "embeddings"
RESPONSES = "responses"
MESSAGES = "messages"
COUNT_TOKENS = "count tokens"
TRANSCRIPTIONS = "transcriptions"
RERANK = "rerank"
SCORE = "score"
TOKENIZE = "tokenize"
MODELS = "models"
MODEL = "model"

READ = ("GET", "HEAD", "OPTIONS")
SEND = ("POST", "OPTIONS")
NATIVE_PATH = re.compile(r"/api/models/(.+?)/generate/?")
OPENAI_PATHS = (
    (re.compile(r"/v1/chat/completions/?()"), CHAT, SEND),
    (re.compile(r"/v1/completions/?()"), COMPLETIONS, SEND),
    (re.compile(r"/v1/embeddings/?()"), EMBEDDINGS, SEND),
    (re.compile(r"/v1/responses/?()"), RESPONSES, SEND),
    (re.compile(r"/v1/audio/transcriptions/?()"), TRANSCRIPTIONS, SEND),
    (re.compile(r"/v[12]/rerank/?()"), RERANK, SEND),
    (re.compile(r"/v1/score/?()"), SCORE, SEND),
    (re.compile(r"(?:/v1)?/tokenize/?()"), TOKENIZE, SEND),
    (re.compile(r"/v1/models/?()"), MODELS, READ),
    (re.compile(r"/v1/models/(.+?)/?"), MODEL, READ),
)
ANTHROPIC_PATHS = (
    (re.compile(r"/v1/messages/?()"), MESSAGES, SEND),
    (re.compile(r"/v1/messages/count_tokens/?()"), COUNT_TOKENS, SEND),
)
# Where other servers have them, outside of /v1
OTHER_PATHS = ("/v2/rerank", "/v2/rerank/", "/tokenize", "/tokenize/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """endpoint: empty for an unknown path. key: name, alias or id of a model, or the
    whole unknown path. error_event: name of the event that ends a failed stream."""

    endpoint: str
    key: str
    methods: tuple[str, ...]
    format_error: Callable[[GatewayError], dict[str, Any]]
    error_event: bytes = b""

    @property
    def allow_header(self) -> tuple[bytes, bytes]:
        return (b"allow", ", ".join(self.methods).encode())


@lru_cache(1024)
def is_gateway_path(path: str) -> bool:
    """True for all of /v1, so that OpenAI clients get even a 404 in their format."""
    if path.startswith("/v1/") or path == "/v1" or path in OTHER_PATHS:
        return True
    return bool(NATIVE_PATH.fullmatch(path))


@lru_cache(1024)
def resolve(path: str) -> Match:
    if found := NATIVE_PATH.fullmatch(path):
        return Match(
            endpoint=GENERATE,
            key=found[1],
            methods=SEND,
            format_error=platform_error,
            error_event=b"error",
        )
    for pattern, endpoint, methods in OPENAI_PATHS:
        if found := pattern.fullmatch(path):
            return Match(
                endpoint=endpoint,
                key=found[1],
                methods=methods,
                format_error=openai_error,
            )
    for pattern, endpoint, methods in ANTHROPIC_PATHS:
        if pattern.fullmatch(path):
            return Match(
                endpoint=endpoint,
                key="",
                methods=methods,
                format_error=anthropic_error,
                error_event=b"error",
            )
    return Match(endpoint="", key=path, methods=(), format_error=openai_error)


def suggest(path: str) -> str:
    """The path of the gateway that was probably meant: a client's base URL may lack
    /v1, have it twice, or end in a slash. Empty if there is none."""
    parts = [part for part in path.split("/") if part]
    while parts[:1] == ["v1"]:
        parts = parts[1:]
    meant = "/".join(["/v1", *parts])
    return meant if meant != path and resolve(meant).endpoint else ""
