"""OpenAI's dialect: bodies and answers pass as they are, but for the model's name, its
defaults, and the usage that is read on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from common.problems import Problem
from gateway.engines.errors import answer_of
from gateway.errors import GatewayError, invalid
from gateway.protocol.sse import DONE, NOTHING, data_of, object_of
from gateway.protocol.validation import (
    INT32_MAX,
    SAMPLING,
    Body,
    Check,
    dumped,
    each_message,
    has_role,
    integer,
    missing,
    of_type,
    problems_in,
)
from gateway.relay import Request
from gateway.routes.table import Route, Table
from gateway.usage.tracker import Measured, Usage

COMMON: Mapping[str, Check] = {
    **SAMPLING,
    "max_completion_tokens": integer(1, INT32_MAX),
    "stream_options": of_type(dict, "object"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """needed: the field without which there is nothing to do."""

    path: str
    needed: str
    checks: Mapping[str, Check]
    samples: bool = True


CHAT = Endpoint(
    path="/v1/chat/completions",
    needed="messages",
    checks={"messages": each_message(has_role), **COMMON},
)
COMPLETIONS = Endpoint(path="/v1/completions", needed="prompt", checks=COMMON)
EMBEDDINGS = Endpoint(path="/v1/embeddings", needed="input", checks={}, samples=False)


def model_of(body: Body) -> str:
    """Raises GatewayError validation_error."""
    if problems := [*missing(body, ["model"]), *problems_in(body, MODEL)]:
        raise invalid(*problems)
    return str(body["model"])


MODEL: Mapping[str, Check] = {"model": of_type(str, "string")}


def request_of(
    endpoint: Endpoint, body: Body, route: Route, measured: Measured
) -> Request:
    """Raises GatewayError, NotJsonError."""
    if problems := list(_problems(endpoint, body)):
        raise invalid(*problems)
    if endpoint is EMBEDDINGS and route.targets and not route.embeds:
        raise GatewayError(400, "no_embeddings", {"model": route.name})
    asked = {**body, "model": route.name}
    if endpoint.samples:
        defaults = {k: v for k, v in route.sampling.items() if body.get(k) is None}
        asked |= defaults
    stream = endpoint.samples and bool(body.get("stream"))
    options = body.get("stream_options") or {}
    if endpoint.samples:
        asked["stream"] = True
        asked["stream_options"] = {**options, "include_usage": True}
    return Request(
        path=endpoint.path,
        content=dumped(asked),
        stream=stream,
        reply=OpenAIReply(measured, bool(options.get("include_usage"))),
    )


def _problems(endpoint: Endpoint, body: Body) -> Iterator[Problem]:
    yield from missing(body, [endpoint.needed])
    yield from problems_in(body, endpoint.checks)


class OpenAIReply:
    def __init__(self, measured: Measured, wants_usage: bool) -> None:
        self.done = False
        self._measured = measured
        self._wants_usage = wants_usage

    def whole(self, content: bytes) -> bytes:
        self._read(answer_of(content))
        return content

    def event(self, event: bytes) -> bytes:
        data = data_of(event)
        if data == NOTHING:
            return b""
        if data == DONE:
            self.done = True
        elif b'"usage"' in data:
            return self._with_usage(event, object_of(data))
        elif data.startswith(b'{"error"'):
            answer_of(data)
        return event

    def _with_usage(self, event: bytes, told: dict[str, Any]) -> bytes:
        """Of the last event, which has nothing else, only who asked for it knows."""
        self._read(told)
        alone = told.get("choices") == [] and told.get("usage")
        return event if self._wants_usage or not alone else b""

    def _read(self, told: dict[str, Any]) -> None:
        self._measured.usage = Usage.of(told.get("usage")) or self._measured.usage


def listing(table: Table) -> dict[str, object]:
    routes = sorted(table.by_name.values(), key=lambda route: route.name)
    return {"object": "list", "data": [described(route) for route in routes]}


def described(route: Route) -> dict[str, object]:
    return {
        "id": route.name,
        "object": "model",
        "created": route.created,
        "owned_by": "llmplatform",
        "display_name": route.display_name,
        "status": route.status,
    }
