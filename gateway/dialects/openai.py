"""OpenAI's dialect.

Bodies are checked and responses passed through. The gateway sets the model's name and
its default sampling parameters, reads the usage and adds it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.request_fields.checks import Check, of_type
from common.request_fields.dialect import Body
from gateway.dialects.base import EngineRequest
from gateway.dialects.payload import (
    engine_payload,
    field_problems,
    given,
    is_greedy,
    streaming,
)
from gateway.engines.errors import parse_response
from gateway.errors import GatewayError, only_embeddings, validation_error
from gateway.protocol import fields
from gateway.protocol.sse import DONE, NULL, event_data, format_event, parse_object
from gateway.protocol.usage_sum import UsageSum
from gateway.protocol.validation import dump_json, missing, validate
from gateway.routes.aliases import status_of
from gateway.routes.table import Alias, Route, RoutingTable
from gateway.usage.tracker import RequestStats, Usage

# In events that are not passed on as they are. In a text they cost time, no more.
CHANGED = (b'"usage"', b"[DONE]", b"data: null", b'{"error"')
MODEL: Mapping[str, Check] = {"model": of_type(str, "string")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """name: of its fields in an EngineDialect. is_generation: takes sampling parameters
    and can stream."""

    name: str
    path: str
    required: str
    fields: Mapping[str, Check]
    is_generation: bool = True


CHAT = Endpoint(
    name="chat",
    path="/v1/chat/completions",
    required="messages",
    fields=fields.CHAT,
)
COMPLETIONS = Endpoint(
    name="completions",
    path="/v1/completions",
    required="prompt",
    fields=fields.COMPLETIONS,
)
EMBEDDINGS = Endpoint(
    name="embeddings",
    path="/v1/embeddings",
    required="input",
    fields=fields.EMBEDDINGS,
    is_generation=False,
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
    body = given(body)
    known = {**endpoint.fields, **getattr(route.dialect, endpoint.name)}
    if problems := [
        *missing(body, [endpoint.required]),
        # Without a replica its engine's own fields are not known.
        *field_problems(body, known, all_known=bool(route.replicas)),
    ]:
        raise validation_error(*problems)
    if endpoint is EMBEDDINGS and route.replicas and not route.embeds:
        raise GatewayError(400, "no_embeddings", {"model": route.name})
    if endpoint is not EMBEDDINGS and not route.generates:
        raise only_embeddings(route)
    payload = {**engine_payload(body, known, route), "model": route.name}
    options = body.get("stream_options") or {}
    if endpoint.is_generation:
        payload |= {k: v for k, v in route.sampling.items() if k not in body}
        payload |= streaming(body, route)
    n = body.get("n", 1)
    return EngineRequest(
        path=endpoint.path,
        content=dump_json(payload),
        stream=endpoint.is_generation and bool(body.get("stream")),
        completions_per_prompt=n,
        is_deterministic=endpoint is EMBEDDINGS or is_greedy(payload),
        translator=OpenAITranslator(stats, bool(options.get("include_usage")), n),
    )


class OpenAITranslator:
    """Keeps the usage, wherever an engine puts it, for one event before the last: the
    place where OpenAI's API has it, for clients that request it."""

    def __init__(self, stats: RequestStats, include_usage: bool, n: int) -> None:
        self.done = False
        self._stats = stats
        self._include_usage = include_usage
        self._usage = UsageSum(n)
        self._last_event = b""

    def translate_body(self, content: bytes) -> bytes:
        self._record(parse_response(content).get("usage"))
        return content

    def passes(self, events: bytes) -> bool:
        return not any(map(events.__contains__, CHANGED))

    def translate_event(self, event: bytes) -> bytes:
        data = event_data(event)
        if data == NULL:
            return b""
        if data == DONE:
            self.done = True
            return self._usage_event() + event
        if b'"usage"' in data:
            return self._take_usage(event, parse_object(data))
        if data.startswith(b'{"error"'):
            parse_response(data)
        return event

    def _take_usage(self, event: bytes, chunk: dict[str, Any]) -> bytes:
        usage = chunk.get("usage")
        if not isinstance(usage, dict):
            return event
        self._usage.add(usage)
        self._record(self._usage.total())
        if chunk.get("choices") == [] and self._usage.is_exact:
            self._last_event = event
            return b""
        last = {**chunk, "choices": [], "usage": self._usage.total()}
        self._last_event = format_event(dump_json(last))
        del chunk["usage"]
        return format_event(dump_json(chunk)) if chunk.get("choices") else b""

    def _usage_event(self) -> bytes:
        return self._last_event if self._include_usage else b""

    def _record(self, usage: object) -> None:
        self._stats.usage = Usage.parse(usage) or self._stats.usage


def model_list(table: RoutingTable) -> dict[str, object]:
    """Aliases, too: clients choose from the list by the name that they know."""
    named: dict[str, Route | Alias] = {**table.aliases, **table.by_name}
    shown = [model_object(found, name) for name, found in sorted(named.items())]
    return {"object": "list", "data": shown}


def model_object(found: Route | Alias, name: str) -> dict[str, object]:
    if isinstance(found, Alias):
        display_name, status = "", status_of(found)
    else:
        display_name, status = found.display_name, found.status
    return {
        "id": name,
        "object": "model",
        "created": found.created,
        "owned_by": "llmplatform",
        "display_name": display_name,
        "status": status,
    }
