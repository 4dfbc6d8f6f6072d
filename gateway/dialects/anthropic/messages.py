"""Requests for messages and for their number of tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from common.request_fields.dialect import Body, Fields
from gateway.dialects import offers, openai
from gateway.dialects.anthropic.fields import COUNTED, MESSAGES, NOT_SENT
from gateway.dialects.anthropic.from_chat import Json, MessageEvents
from gateway.dialects.anthropic.to_chat import to_chat
from gateway.dialects.base import EngineRequest
from gateway.dialects.chat_translator import ChatTranslator
from gateway.dialects.payload import given, is_greedy, unknown_problems
from gateway.engines.errors import parse_response
from gateway.errors import only_embeddings, validation_error
from gateway.protocol.sse import event_data
from gateway.protocol.validation import dump_json, missing, validate
from gateway.routes.table import Route
from gateway.usage.tracker import RequestStats, Usage

# What events have that are read and not only passed through
READ = (b'"usage"', b'"error"', b'"message_stop"')


def build_request(body: Body, route: Route, stats: RequestStats) -> EngineRequest:
    """Raises GatewayError, InvalidJsonError."""
    body = given(body)
    is_passed = "messages" in route.dialect.paths
    known = {**MESSAGES, **(route.dialect.messages if is_passed else {})}
    if problems := [
        *missing(body, ["messages", "max_tokens"]),
        *unknown_problems(body, known, bool(route.replicas)),
        *validate(body, known),
    ]:
        raise validation_error(*problems)
    if not route.generates:
        raise only_embeddings(route)
    if not is_passed:
        chat = to_chat(body, route.dialect.chat)
        request = openai.build_request(openai.CHAT, chat, route, stats)
        return replace(
            request, translator=ChatTranslator(MessageEvents(route.name), stats)
        )
    payload = _sent(body, known)
    payload = {**route.sampling, **payload, "model": route.name}
    return EngineRequest(
        path=route.dialect.paths["messages"],
        content=dump_json(payload),
        stream=bool(body.get("stream")),
        translator=MessageTranslator(stats),
        is_deterministic=is_greedy(payload),
    )


def build_count(body: Body, route: Route, stats: RequestStats) -> EngineRequest:
    """Raises GatewayError, InvalidJsonError."""
    body = given(body)
    if not route.generates:
        raise only_embeddings(route)
    offers.require(route, "count_tokens")
    if problems := [
        *missing(body, ["messages"]),
        *unknown_problems(body, COUNTED, bool(route.replicas)),
        *validate(body, COUNTED),
    ]:
        raise validation_error(*problems)
    return EngineRequest(
        path=route.dialect.paths.get("count_tokens", ""),
        content=dump_json({**_sent(body, COUNTED), "model": route.name}),
        stream=False,
        translator=MessageTranslator(stats),
    )


def _sent(body: Body, known: Fields) -> Body:
    names = known.keys() - NOT_SENT
    return {name: value for name, value in body.items() if name in names}


class MessageTranslator:
    """Of an engine that speaks this dialect: reads the usage."""

    def __init__(self, stats: RequestStats) -> None:
        self.done = False
        self._stats = stats

    def translate_body(self, content: bytes) -> bytes:
        self._record(parse_response(content).get("usage"))
        return content

    def passes(self, events: bytes) -> bool:
        return not any(map(events.__contains__, READ))

    def translate_event(self, event: bytes) -> bytes:
        data = event_data(event)
        if b'"usage"' in data:
            body: Json = parse_response(data)
            message = body.get("message")
            self._record((message if isinstance(message, dict) else body).get("usage"))
        elif b'"error"' in data:
            parse_response(data)
        elif b'"message_stop"' in data:
            self.done = True
        return event

    def _record(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._stats.usage = _add(self._stats.usage, usage)


def _add(known: Usage, usage: dict[str, Any]) -> Usage:
    """A stream has the input at its start, and the output at its end."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    counts = {name: usage[name] for name in names if isinstance(usage.get(name), int)}
    output = usage.get("output_tokens")
    output = output if isinstance(output, int) else known.completion_tokens
    return replace(
        known,
        prompt_tokens=sum(counts.values()) or known.prompt_tokens,
        cached_tokens=counts.get("cache_read_input_tokens", known.cached_tokens),
        completion_tokens=output
        if isinstance(output, int)
        else known.completion_tokens,
    )
