"""Assemble a complete response from the events of a stream. Pure.

llama.cpp notices that a client has disconnected only while it sends, and would
otherwise generate to the last token for nobody: the gateway lets such engines stream.
"""

from __future__ import annotations

from typing import Any

from gateway.protocol.usage_sum import UsageSum

Json = dict[str, Any]

COMPLETE_OBJECTS = {
    "chat.completion.chunk": "chat.completion",
    "text_completion": "text_completion",
}
# Sent once or repeated in full; all other strings arrive in pieces.
NOT_CONCATENATED = frozenset({"role", "id", "type", "name", "finish_reason"})


class ResponseAssembler:
    """Call feed() with each event; result() is the response without `stream`."""

    def __init__(self, completions_per_prompt: int = 1) -> None:
        self.done = False
        self._usage = UsageSum(completions_per_prompt)
        self._fields: Json = {}
        self._choices: dict[int, Json] = {}

    def feed(self, event: Json) -> None:
        for choice in event.get("choices") or []:
            index = choice.get("index", 0)
            _merge(self._choices.setdefault(index, {"index": index}), choice)
        if isinstance(usage := event.get("usage"), dict):
            self._usage.add(usage)
        fields = {k: v for k, v in event.items() if k != "choices" and v is not None}
        self._fields.update(fields)

    def result(self) -> Json:
        kind = self._fields.get("object", "")
        choices = [self._choices[index] for index in sorted(self._choices)]
        usage = {"usage": self._usage.total()} if "usage" in self._fields else {}
        return {
            **self._fields,
            **usage,
            "object": COMPLETE_OBJECTS.get(kind, kind),
            "choices": [_delta_to_message(choice) for choice in choices],
        }


def _delta_to_message(choice: Json) -> Json:
    if "delta" not in choice:
        return choice
    message = {"role": "assistant", "content": None, **choice.pop("delta")}
    for call in message.get("tool_calls", []):
        call.pop("index", None)
    return {**choice, "message": message}


def _merge(target: Json, piece: Json) -> None:
    for name, value in piece.items():
        current = target.get(name)
        if isinstance(value, dict):
            target[name] = current = current or {}
            _merge(current, value)
        elif isinstance(value, list):
            target[name] = _merge_lists([] if current is None else current, value)
        elif isinstance(value, str) and isinstance(current, str):
            target[name] = value if name in NOT_CONCATENATED else current + value
        elif value is not None or name not in target:
            target[name] = value


def _merge_lists(items: list[Any], pieces: list[Any]) -> list[Any]:
    """Pieces with an index extend the item of that index; others are appended. In
    place: a copy for each token would take quadratic time."""
    for piece in pieces:
        if not (isinstance(piece, dict) and isinstance(piece.get("index"), int)):
            items.append(piece)
            continue
        index = piece["index"]
        same = next((item for item in items if item.get("index") == index), None)
        if same is None:
            same = {"index": index}
            items.append(same)
        _merge(same, {k: v for k, v in piece.items() if k != "index"})
    return items
