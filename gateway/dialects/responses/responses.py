"""Requests for responses."""

from __future__ import annotations

from dataclasses import replace

from common.request_fields.dialect import Body
from gateway.dialects import openai
from gateway.dialects.base import EngineRequest
from gateway.dialects.chat_translator import ChatTranslator
from gateway.dialects.payload import given, is_greedy, unknown_problems
from gateway.dialects.responses.fields import NOT_SENT, RESPONSES
from gateway.dialects.responses.from_chat import Json, ResponseEvents
from gateway.dialects.responses.to_chat import to_chat
from gateway.engines.errors import EngineRejectedError, parse_response
from gateway.errors import only_embeddings, validation_error
from gateway.protocol.sse import event_data, parse_object
from gateway.protocol.validation import dump_json, missing, validate
from gateway.routes.table import Route
from gateway.usage.tracker import RequestStats, Usage

# Names of the events that end a stream, and have its usage
FAILED = b"event: response.failed"
ENDS = (b"event: response.completed", b"event: response.incomplete", FAILED)
SERVER_ERROR = 500


def build_request(body: Body, route: Route, stats: RequestStats) -> EngineRequest:
    """Raises GatewayError, InvalidJsonError."""
    body = given(body)
    is_passed = "responses" in route.dialect.paths
    known = {**RESPONSES, **(route.dialect.responses if is_passed else {})}
    if problems := [
        *missing(body, ["input"]),
        *unknown_problems(body, known, bool(route.replicas)),
        *validate(body, known),
    ]:
        raise validation_error(*problems)
    if not route.generates:
        raise only_embeddings(route)
    if not is_passed:
        request = openai.build_request(openai.CHAT, to_chat(body), route, stats)
        events = ResponseEvents(route.name, {**route.sampling, **body})
        return replace(request, translator=ChatTranslator(events, stats))
    names = known.keys() - NOT_SENT
    payload = {name: value for name, value in body.items() if name in names}
    payload = {**route.sampling, **payload, "model": route.name}
    return EngineRequest(
        path=route.dialect.paths["responses"],
        content=dump_json(payload),
        stream=bool(body.get("stream")),
        translator=ResponsesTranslator(stats),
        is_deterministic=is_greedy(payload),
    )


class ResponsesTranslator:
    """Of an engine that speaks this dialect: reads the usage."""

    def __init__(self, stats: RequestStats) -> None:
        self.done = False
        self._stats = stats

    def translate_body(self, content: bytes) -> bytes:
        # Its field error is null unless it failed.
        response: Json = parse_object(content)
        if response.get("error") or not response:
            raise EngineRejectedError(response)
        self._record(response)
        return content

    def passes(self, events: bytes) -> bool:
        return not any(map(events.__contains__, (*ENDS, b'"error"')))

    def translate_event(self, event: bytes) -> bytes:
        if event.startswith(ENDS):
            self.done = True
            if event.startswith(FAILED):
                self._stats.status = SERVER_ERROR
            response = parse_response(event_data(event)).get("response")
            self._record(response if isinstance(response, dict) else {})
        elif b'"error"' in event and not event.startswith(b"event: response."):
            parse_response(event_data(event))
        return event

    def _record(self, response: Json) -> None:
        usage = response.get("usage")
        if isinstance(usage, dict):
            self._stats.usage = Usage.parse(as_of_chat(usage)) or self._stats.usage


def as_of_chat(usage: Json) -> Json:
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": usage.get("input_tokens_details"),
        "completion_tokens_details": usage.get("output_tokens_details"),
    }
