"""Translate a chat completion into a response, whole or as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.usage.tracker import Usage

Json = dict[str, Any]

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
# What a response repeats of its request, with the default
REPEATED: Json = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
}


class Item:
    """An output item that grows. kind: message, reasoning or function_call."""

    def __init__(self, kind: str, index: int, item: Json) -> None:
        self.kind = kind
        self.index = index
        self.item = item
        self.pieces: list[str] = []

    @property
    def is_call(self) -> bool:
        return self.kind == "function_call"

    @property
    def place(self) -> Json:
        place = {"item_id": self.item["id"], "output_index": self.index}
        return place if self.is_call else {**place, "content_index": 0}

    @property
    def prefix(self) -> str:
        names = {
            "message": "output_text",
            "reasoning": "reasoning_text",
            "function_call": "function_call_arguments",
        }
        return f"response.{names[self.kind]}"

    def part(self, text: str) -> Json:
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": text}
        more: Json = {"annotations": [], "logprobs": []}
        return {"type": "output_text", "text": text, **more}

    def complete(self, text: str) -> Json:
        filled = {"arguments": text} if self.is_call else {"content": [self.part(text)]}
        return {**self.item, **filled, "status": "completed"}


class ResponseEvents:
    """The events of a response, one part of a completion after the other."""

    def __init__(self, model: str, request: Json) -> None:
        self._model = model
        self._request = request
        self._id = ""
        self._created = 0
        self._number = -1
        self._open: Item | None = None
        self._call: int | None = None  # number of the call that is open
        self._output: list[Json] = []
        self._incomplete: str | None = None

    def whole(self, events: list[Json]) -> Json:
        response: Json = events[-1]["response"]
        return response

    def part(self, chunk: Json, piece: str) -> Iterator[Json]:
        """piece: of the choice, "delta" or "message"."""
        if self._number < 0:
            self._id = str(chunk.get("id") or "").removeprefix("chatcmpl-")
            self._created = chunk.get("created") or 0
            for kind in ("response.created", "response.in_progress"):
                yield self._event(kind, response=self._response("in_progress"))
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if isinstance(choice, dict):
            delta = choice.get(piece)
            yield from self._delta(delta if isinstance(delta, dict) else {})
            self._incomplete = INCOMPLETE.get(
                choice.get("finish_reason") or "", self._incomplete
            )

    def end(self, usage: Usage) -> Iterator[Json]:
        """The last event has the whole response."""
        yield from self._close()
        status = "incomplete" if self._incomplete else "completed"
        response = {**self._response(status), "usage": usage_of(usage)}
        yield self._event(f"response.{status}", response=response)

    def _response(self, status: str) -> Json:
        reason = {"reason": self._incomplete} if status == "incomplete" else None
        return {
            "id": f"resp_{self._id}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": reason,
            "model": self._model,
            "output": list(self._output),
            "store": False,
            **{name: self._request.get(name, REPEATED[name]) for name in REPEATED},
            "usage": None,
        }

    def _event(self, kind: str, **more: object) -> Json:
        self._number += 1
        return {"type": kind, "sequence_number": self._number, **more}

    def _delta(self, delta: Json) -> Iterator[Json]:
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            yield from self._extend("reasoning", None, {"summary": []}, thought)
        if text := delta.get("content"):
            yield from self._extend("message", None, {"role": "assistant"}, text)
        for position, call in enumerate(delta.get("tool_calls") or []):
            number = call.get("index", position)
            function = call.get("function") or {}
            item = {
                "call_id": call.get("id") or f"call_{number}",
                "name": function.get("name") or "",
                "arguments": "",
            }
            arguments = function.get("arguments") or ""
            yield from self._extend("function_call", number, item, arguments)

    def _extend(
        self, kind: str, call: int | None, fields: Json, text: str
    ) -> Iterator[Json]:
        item = self._open
        if item is None or (item.kind, self._call) != (kind, call):
            yield from self._close()
            item = self._open = self._new(kind, fields)
            self._call = call
            yield from self._added(item)
        if text:
            item.pieces.append(text)
            more: Json = {"logprobs": []} if kind == "message" else {}
            yield self._event(f"{item.prefix}.delta", **item.place, delta=text, **more)

    def _new(self, kind: str, fields: Json) -> Item:
        index = len(self._output)
        prefix = {"message": "msg", "reasoning": "rs", "function_call": "fc"}[kind]
        content: Json = {} if kind == "function_call" else {"content": []}
        item = {
            "id": f"{prefix}_{self._id}_{index}",
            "type": kind,
            "status": "in_progress",
            **content,
            **fields,
        }
        return Item(kind, index, item)

    def _added(self, item: Item) -> Iterator[Json]:
        place = {"output_index": item.index, "item": item.item}
        yield self._event("response.output_item.added", **place)
        if not item.is_call:
            part = item.part("")
            yield self._event("response.content_part.added", **item.place, part=part)

    def _close(self) -> Iterator[Json]:
        item, self._open = self._open, None
        if item is None:
            return
        text, place = "".join(item.pieces), item.place
        if item.is_call:
            name = item.item["name"]
            done = {"arguments": text, "name": name}
            yield self._event(f"{item.prefix}.done", **place, **done)
        else:
            more: Json = {"logprobs": []} if item.kind == "message" else {}
            yield self._event(f"{item.prefix}.done", **place, text=text, **more)
            part = item.part(text)
            yield self._event("response.content_part.done", **place, part=part)
        complete = item.complete(text)
        self._output.append(complete)
        yield self._event(
            "response.output_item.done", output_index=item.index, item=complete
        )


def usage_of(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
