"""One whole answer out of the events of a stream. Pure.

Engines are always asked to stream: llama.cpp notices that nobody is listening any more
only while it sends, and would otherwise go on to the last token for a client that left.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

WHOLE = {
    "chat.completion.chunk": "chat.completion",
    "text_completion": "text_completion",
}
# Said once, or again with each piece; everything else that is text comes in pieces.
SAID_AS_ONE = frozenset({"role", "id", "type", "name", "finish_reason"})


class Assembly:
    """feed() each event in turn; whole() is what a request without `stream` gets."""

    def __init__(self) -> None:
        self.done = False
        self._rest: Json = {}
        self._choices: dict[int, Json] = {}

    def feed(self, event: Json) -> None:
        for choice in event.get("choices") or []:
            index = choice.get("index", 0)
            _merge(self._choices.setdefault(index, {"index": index}), choice)
        told = {k: v for k, v in event.items() if k != "choices" and v is not None}
        self._rest.update(told)

    def whole(self) -> Json:
        kind = self._rest.get("object", "")
        choices = [self._choices[index] for index in sorted(self._choices)]
        return {
            **self._rest,
            "object": WHOLE.get(kind, kind),
            "choices": [_as_message(choice) for choice in choices],
        }


def _as_message(choice: Json) -> Json:
    if "delta" not in choice:
        return choice
    message = {"role": "assistant", "content": None, **choice.pop("delta")}
    for call in message.get("tool_calls", []):
        call.pop("index", None)
    return {**choice, "message": message}


def _merge(into: Json, piece: Json) -> None:
    for name, value in piece.items():
        have = into.get(name)
        if isinstance(value, dict):
            into[name] = have = have or {}
            _merge(have, value)
        elif isinstance(value, list):
            into[name] = _merged_list(have or [], value)
        elif isinstance(value, str) and isinstance(have, str):
            into[name] = value if name in SAID_AS_ONE else have + value
        elif value is not None or name not in into:
            into[name] = value


def _merged_list(have: list[Any], pieces: list[Any]) -> list[Any]:
    """Items with an index are pieces of the item of that index; others are appended."""
    for piece in pieces:
        if not (isinstance(piece, dict) and isinstance(piece.get("index"), int)):
            have = [*have, piece]
            continue
        same = next(
            (item for item in have if item.get("index") == piece["index"]), None
        )
        if same is None:
            same = {"index": piece["index"]}
            have = [*have, same]
        _merge(same, {k: v for k, v in piece.items() if k != "index"})
    return have
