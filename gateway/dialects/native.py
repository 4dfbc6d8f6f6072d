"""The platform's own dialect: POST /api/models/{id or name}/generate.

A prompt is sent as a single user message, so that the engine applies the model's chat
template; without it a chat model continues the text instead of answering. Raw
completions are available at /v1/completions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from common.problems import Problem
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
from gateway.errors import only_embeddings, validation_error
from gateway.protocol.fields import SAMPLING
from gateway.protocol.sse import DONE, NULL, event_data, format_event
from gateway.protocol.validation import dump_json, each_message, is_text_message
from gateway.routes.table import Route
from gateway.usage.tracker import RequestStats, Usage

ENGINE_PATH = "/v1/chat/completions"
FIELDS: dict[str, Check] = {
    "prompt": of_type(str, "string"),
    "messages": each_message(is_text_message),
    **SAMPLING,
}


def build_request(body: Body, route: Route, stats: RequestStats) -> EngineRequest:
    """Raises GatewayError validation_error, InvalidJsonError."""
    body = given(body)
    if problems := list(_problems(body)):
        raise validation_error(*problems)
    if not route.generates:
        raise only_embeddings(route)
    messages = body.get("messages") or [{"role": "user", "content": body["prompt"]}]
    payload = {"model": route.name, "messages": messages, **route.sampling}
    payload |= engine_payload(body, SAMPLING, route)
    payload |= streaming(body, route)
    return EngineRequest(
        path=ENGINE_PATH,
        content=dump_json(payload),
        stream=body.get("stream", False),
        translator=NativeTranslator(route.name, stats),
        is_deterministic=is_greedy(payload),
    )


def _problems(body: Body) -> Iterator[Problem]:
    yield from field_problems(body, FIELDS)
    if ("prompt" in body) == ("messages" in body):
        yield Problem(code="prompt_or_messages", field="prompt")


class NativeTranslator:
    """Sends an event per piece of text; the last event has the finish reason, the usage
    and the latency."""

    def __init__(self, model: str, stats: RequestStats) -> None:
        self.done = False
        self._model = model
        self._stats = stats
        self._id = ""
        self._finish_reason: str | None = None

    def translate_body(self, content: bytes) -> bytes:
        choice = self._read(parse_response(content))
        text = _as_dict(choice.get("message")).get("content") or ""
        return json.dumps(self._last_piece(text), ensure_ascii=False).encode()

    def passes(self, events: bytes) -> bool:
        return False

    def translate_event(self, event: bytes) -> bytes:
        data = event_data(event)
        if data == DONE:
            self.done = True
            return _format(self._last_piece("")) + format_event(DONE)
        if data in (b"", NULL):
            return b""
        choice = self._read(parse_response(data))
        text = _as_dict(choice.get("delta")).get("content")
        return _format(self._piece(text)) if text else b""

    def _read(self, response: dict[str, Any]) -> dict[str, Any]:
        """Remembers id, usage and finish reason; returns the first choice."""
        self._id = response.get("id") or self._id
        self._stats.usage = Usage.parse(response.get("usage")) or self._stats.usage
        choices = response.get("choices")
        choice = _as_dict(choices[0]) if isinstance(choices, list) and choices else {}
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        return choice

    def _piece(self, text: str) -> dict[str, object]:
        piece = {"id": self._id, "model": self._model, "text": text}
        return {**piece, "finish_reason": None}

    def _last_piece(self, text: str) -> dict[str, object]:
        usage = self._stats.usage
        return {
            **self._piece(text),
            "finish_reason": self._finish_reason,
            "usage": {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "total_tokens": usage.total_tokens,
            },
            "latency_ms": self._stats.elapsed_ms,
        }


def _format(piece: dict[str, object]) -> bytes:
    return format_event(json.dumps(piece, ensure_ascii=False).encode())


def _as_dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
