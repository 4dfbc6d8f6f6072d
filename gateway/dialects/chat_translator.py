"""Turn the events of a chat completion into those of another API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from gateway.engines.errors import parse_response
from gateway.protocol.sse import DONE, NULL, event_data, format_event
from gateway.protocol.validation import dump_json
from gateway.usage.tracker import RequestStats, Usage

Json = dict[str, Any]


class Events(Protocol):
    """Of the other API, for one response."""

    def part(self, chunk: Json, piece: str) -> Iterable[Json]:
        """piece: of the choice, "delta" or "message"."""

    def end(self, usage: Usage) -> Iterable[Json]:
        """The last ones."""

    def whole(self, events: list[Json]) -> Json:
        """The response without `stream`, from all its events."""


class ChatTranslator:
    def __init__(self, events: Events, stats: RequestStats) -> None:
        self.done = False
        self._events = events
        self._stats = stats

    def translate_body(self, content: bytes) -> bytes:
        response: Json = parse_response(content)
        self._record(response)
        parts = [*self._events.part(response, "message")]
        end = self._events.end(self._stats.usage)
        return dump_json(self._events.whole([*parts, *end]))

    def passes(self, events: bytes) -> bool:
        return False

    def translate_event(self, event: bytes) -> bytes:
        data = event_data(event)
        if data == DONE:
            self.done = True
            return b"".join(map(_format, self._events.end(self._stats.usage)))
        if data in (b"", NULL):
            return b""
        chunk: Json = parse_response(data)
        self._record(chunk)
        return b"".join(map(_format, self._events.part(chunk, "delta")))

    def _record(self, response: Json) -> None:
        self._stats.usage = Usage.parse(response.get("usage")) or self._stats.usage


def _format(event: Json) -> bytes:
    return format_event(dump_json(event), event["type"].encode())
