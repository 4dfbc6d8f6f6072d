"""Which requests are the gateway's; all others are Django's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.errors import GatewayError, openai_shape, platform_shape

GENERATE = "generate"
CHAT = "chat completions"
COMPLETIONS = "completions"
EMBEDDINGS = "embeddings"
MODELS = "models"
MODEL = "model"

READ = ("GET", "HEAD", "OPTIONS")
SEND = ("POST", "OPTIONS")
NATIVE_PATH = re.compile(r"/api/models/([^/]+)/generate/?")
OPENAI_PATHS = (
    (re.compile(r"/v1/chat/completions/?()"), CHAT, SEND),
    (re.compile(r"/v1/completions/?()"), COMPLETIONS, SEND),
    (re.compile(r"/v1/embeddings/?()"), EMBEDDINGS, SEND),
    (re.compile(r"/v1/models/?()"), MODELS, READ),
    (re.compile(r"/v1/models/([^/]+)/?"), MODEL, READ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """name: empty if there is nothing here; key: name or id of a model, else the whole
    path. error_event: name of the event that ends a stream that failed."""

    name: str
    key: str
    methods: tuple[str, ...]
    shape: Callable[[GatewayError], dict[str, Any]]
    error_event: bytes = b""

    @property
    def allow(self) -> tuple[bytes, bytes]:
        return (b"allow", ", ".join(self.methods).encode())


def takes(path: str) -> bool:
    """All of /v1, so that a client of OpenAI's API gets even its 404 in that shape."""
    return path.startswith("/v1/") or path == "/v1" or bool(NATIVE_PATH.fullmatch(path))


def find(path: str) -> Place:
    if found := NATIVE_PATH.fullmatch(path):
        return Place(
            name=GENERATE,
            key=found[1],
            methods=SEND,
            shape=platform_shape,
            error_event=b"error",
        )
    for pattern, name, methods in OPENAI_PATHS:
        if found := pattern.fullmatch(path):
            return Place(name=name, key=found[1], methods=methods, shape=openai_shape)
    return Place(name="", key=path, methods=(), shape=openai_shape)
