"""Translate a chat completion into a message, whole or as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.usage.tracker import Usage

Json = dict[str, Any]

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class MessageEvents:
    """The events of a message, one part of a completion after the other."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._started = False
        self._open: tuple[str, int] | None = None  # kind of the block, call it is of
        self._index = -1
        self._has_tools = False
        self._stop_reason: str | None = None
        self._stop_sequence: str | None = None

    def whole(self, events: list[Json]) -> Json:
        return message_of(events)

    def part(self, chunk: Json, piece: str) -> Iterator[Json]:
        """piece: of the choice, "delta" or "message"."""
        if not self._started:
            self._started = True
            yield self._start(chunk)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(choice, dict):
            delta = choice.get(piece)
            yield from self._delta(delta if isinstance(delta, dict) else {})
            self._finish_reason(choice)

    def end(self, usage: Usage) -> Iterator[Json]:
        yield from self._close()
        reason = self._stop_reason or "end_turn"
        if self._has_tools and reason == "end_turn":
            reason = "tool_use"
        delta = {"stop_reason": reason, "stop_sequence": self._stop_sequence}
        yield {"type": "message_delta", "delta": delta, "usage": usage_of(usage)}
        yield {"type": "message_stop"}

    def _start(self, chunk: Json) -> Json:
        message: Json = {
            "id": f"msg_{str(chunk.get('id') or '').removeprefix('chatcmpl-')}",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": self._model,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_of(Usage()),
        }
        return {"type": "message_start", "message": message}

    def _finish_reason(self, choice: Json) -> None:
        if reason := choice.get("finish_reason"):
            self._stop_reason = STOP_REASONS.get(reason, "end_turn")
            # vLLM names the sequence.
            if isinstance(stop := choice.get("stop_reason"), str):
                self._stop_reason, self._stop_sequence = "stop_sequence", stop

    def _delta(self, delta: Json) -> Iterator[Json]:
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            empty: Json = {"type": "thinking", "thinking": "", "signature": ""}
            yield from self._block("thinking", 0, empty)
            yield self._piece(type="thinking_delta", thinking=thought)
        if text := delta.get("content"):
            yield from self._block("text", 0, {"type": "text", "text": ""})
            yield self._piece(type="text_delta", text=text)
        for position, call in enumerate(delta.get("tool_calls") or []):
            yield from self._call(call.get("index", position), call)

    def _call(self, number: int, call: Json) -> Iterator[Json]:
        self._has_tools = True
        function = call.get("function") or {}
        block: Json = {
            "type": "tool_use",
            "id": call.get("id") or f"toolu_{number}",
            "name": function.get("name") or "",
            "input": {},
        }
        yield from self._block("tool_use", number, block)
        if arguments := function.get("arguments"):
            yield self._piece(type="input_json_delta", partial_json=arguments)

    def _block(self, kind: str, number: int, block: Json) -> Iterator[Json]:
        if self._open != (kind, number):
            yield from self._close()
            self._open = (kind, number)
            self._index += 1
            start = {"type": "content_block_start", "index": self._index}
            yield {**start, "content_block": block}

    def _close(self) -> Iterator[Json]:
        if self._open is not None:
            self._open = None
            yield {"type": "content_block_stop", "index": self._index}

    def _piece(self, **delta: str) -> Json:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def usage_of(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


PIECES = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}


def message_of(events: Iterable[Json]) -> Json:
    """The message whose events they are."""
    message: Json = {}
    for event in events:
        kind = event["type"]
        if kind == "message_start":
            message = event["message"]
        elif kind == "content_block_start":
            message["content"].append(dict(event["content_block"]))
            pieces: list[str] = []
        elif kind == "content_block_delta":
            pieces.append(event["delta"][PIECES[event["delta"]["type"]]])
        elif kind == "content_block_stop":
            _fill(message["content"][-1], "".join(pieces))
        elif kind == "message_delta":
            message |= {**event["delta"], "usage": event["usage"]}
    return message


def _fill(block: Json, text: str) -> None:
    if block["type"] == "tool_use":
        block["input"] = _arguments(text)
    else:
        block[block["type"]] = text


def _arguments(text: str) -> Json:
    """Empty for JSON that was cut off."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
