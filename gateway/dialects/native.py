"""The platform's own dialect: POST /api/models/{id or name}/generate.

A prompt is one message of a user: engines then put it into the model's chat template,
without which a chat model goes on with the text instead of answering it. Whoever wants
that uses /v1/completions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from common.problems import Problem, unknown_fields
from gateway.engines.errors import answer_of
from gateway.errors import invalid
from gateway.protocol.sse import DONE, NOTHING, data_of, event_of
from gateway.protocol.validation import (
    SAMPLING,
    Body,
    Check,
    dumped,
    each_message,
    is_text,
    of_type,
    problems_in,
)
from gateway.relay import Request
from gateway.routes.table import Route
from gateway.usage.tracker import Measured, Usage

ENGINE_PATH = "/v1/chat/completions"
FIELDS: dict[str, Check] = {
    "prompt": of_type(str, "string"),
    "messages": each_message(is_text),
    **SAMPLING,
}


def request_of(body: Body, route: Route, measured: Measured) -> Request:
    """Raises GatewayError validation_error, NotJsonError."""
    if problems := list(_problems(body)):
        raise invalid(*problems)
    given = {k: v for k, v in body.items() if k in SAMPLING and v is not None}
    stream = given.pop("stream", False)
    messages = body.get("messages") or [{"role": "user", "content": body["prompt"]}]
    asked = {"model": route.name, "messages": messages, **route.sampling, **given}
    asked |= {"stream": True, "stream_options": {"include_usage": True}}
    return Request(
        path=ENGINE_PATH,
        content=dumped(asked),
        stream=stream,
        reply=NativeReply(route.name, measured),
    )


def _problems(body: Body) -> Iterator[Problem]:
    yield from unknown_fields(body, list(FIELDS))
    yield from problems_in(body, FIELDS)
    if (body.get("prompt") is None) == (body.get("messages") is None):
        yield Problem(code="prompt_or_messages", field="prompt")


class NativeReply:
    """One event for each piece of text; the last one has the reason it ended with, the
    usage and the time."""

    def __init__(self, model: str, measured: Measured) -> None:
        self.done = False
        self._model = model
        self._measured = measured
        self._id = ""
        self._finish_reason: str | None = None

    def whole(self, content: bytes) -> bytes:
        choice = self._read(answer_of(content))
        text = _dict(choice.get("message")).get("content") or ""
        return json.dumps(self._last(text), ensure_ascii=False).encode()

    def event(self, event: bytes) -> bytes:
        data = data_of(event)
        if data == DONE:
            self.done = True
            return _event(self._last("")) + event_of(DONE)
        if data in (b"", NOTHING):
            return b""
        text = _dict(self._read(answer_of(data)).get("delta")).get("content")
        return _event(self._piece(text)) if text else b""

    def _read(self, told: dict[str, Any]) -> dict[str, Any]:
        """Keeps what the end needs; the first choice."""
        self._id = told.get("id") or self._id
        self._measured.usage = Usage.of(told.get("usage")) or self._measured.usage
        choices = told.get("choices")
        choice = _dict(choices[0]) if isinstance(choices, list) and choices else {}
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        return choice

    def _piece(self, text: str) -> dict[str, object]:
        piece = {"id": self._id, "model": self._model, "text": text}
        return {**piece, "finish_reason": None}

    def _last(self, text: str) -> dict[str, object]:
        usage = self._measured.usage
        return {
            **self._piece(text),
            "finish_reason": self._finish_reason,
            "usage": {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "total_tokens": usage.total_tokens,
            },
            "latency_ms": self._measured.milliseconds,
        }


def _event(content: dict[str, object]) -> bytes:
    return event_of(json.dumps(content, ensure_ascii=False).encode())


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
