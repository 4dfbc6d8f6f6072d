"""OpenAI's dialect.

Bodies and responses pass through unchanged, except that the gateway sets the model's
name and its default sampling parameters, and reads the usage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from common.problems import Problem
from gateway.dialects.base import EngineRequest
from gateway.engines.errors import parse_response
from gateway.errors import GatewayError, validation_error
from gateway.protocol.sse import DONE, NULL, event_data, parse_object
from gateway.protocol.validation import (
    INT32_MAX,
    SAMPLING,
    Body,
    Check,
    dump_json,
    each_message,
    has_role,
    integer,
    missing,
    of_type,
    validate,
)
from gateway.routes.table import Route, RoutingTable
from gateway.usage.tracker import RequestStats, Usage

MODEL: Mapping[str, Check] = {"model": of_type(str, "string")}
COMMON: Mapping[str, Check] = {
    **SAMPLING,
    "max_completion_tokens": integer(1, INT32_MAX),
    "stream_options": of_type(dict, "object"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """is_generation: takes sampling parameters and can stream."""

    path: str
    required: str
    checks: Mapping[str, Check]
    is_generation: bool = True


CHAT = Endpoint(
    path="/v1/chat/completions",
    required="messages",
    checks={"messages": each_message(has_role), **COMMON},
)
COMPLETIONS = Endpoint(path="/v1/completions", required="prompt", checks=COMMON)
EMBEDDINGS = Endpoint(
    path="/v1/embeddings", required="input", checks={}, is_generation=False
)


def model_name(body: Body) -> str:
    """Raises GatewayError validation_error."""
    if problems := [*missing(body, ["model"]), *validate(body, MODEL)]:
        raise validation_error(*problems)
    return str(body["model"])


def build_request(
    endpoint: Endpoint, body: Body, route: Route, stats: RequestStats
) -> EngineRequest:
    """Raises GatewayError, InvalidJsonError."""
    if problems := list(_problems(endpoint, body)):
        raise validation_error(*problems)
    if endpoint is EMBEDDINGS and route.replicas and not route.embeds:
        raise GatewayError(400, "no_embeddings", {"model": route.name})
    payload = {**body, "model": route.name}
    options = body.get("stream_options") or {}
    if endpoint.is_generation:
        payload |= {k: v for k, v in route.sampling.items() if body.get(k) is None}
        payload["stream"] = True
        payload["stream_options"] = {**options, "include_usage": True}
    return EngineRequest(
        path=endpoint.path,
        content=dump_json(payload),
        stream=endpoint.is_generation and bool(body.get("stream")),
        translator=OpenAITranslator(stats, bool(options.get("include_usage"))),
    )


def _problems(endpoint: Endpoint, body: Body) -> Iterator[Problem]:
    yield from missing(body, [endpoint.required])
    yield from validate(body, endpoint.checks)


class OpenAITranslator:
    def __init__(self, stats: RequestStats, include_usage: bool) -> None:
        self.done = False
        self._stats = stats
        self._include_usage = include_usage

    def translate_body(self, content: bytes) -> bytes:
        self._read_usage(parse_response(content))
        return content

    def translate_event(self, event: bytes) -> bytes:
        data = event_data(event)
        if data == NULL:
            return b""
        if data == DONE:
            self.done = True
        elif b'"usage"' in data:
            return self._translate_usage(event, parse_object(data))
        elif data.startswith(b'{"error"'):
            parse_response(data)
        return event

    def _translate_usage(self, event: bytes, chunk: dict[str, Any]) -> bytes:
        """Drops an event that only holds the usage, unless the client requested it."""
        self._read_usage(chunk)
        is_usage_only = chunk.get("choices") == [] and chunk.get("usage")
        return event if self._include_usage or not is_usage_only else b""

    def _read_usage(self, response: dict[str, Any]) -> None:
        self._stats.usage = Usage.parse(response.get("usage")) or self._stats.usage


def model_list(table: RoutingTable) -> dict[str, object]:
    routes = sorted(table.by_name.values(), key=lambda route: route.name)
    return {"object": "list", "data": [model_object(route) for route in routes]}


def model_object(route: Route) -> dict[str, object]:
    return {
        "id": route.name,
        "object": "model",
        "created": route.created,
        "owned_by": "llmplatform",
        "display_name": route.display_name,
        "status": route.status,
    }
