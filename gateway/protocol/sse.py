"""Split, read and format server-sent events. Pure."""

from __future__ import annotations

import re

from gateway.protocol.validation import InvalidJsonError, parse_json

MAX_EVENT_BYTES = 16 * 2**20
END_OF_EVENT = re.compile(rb"\r?\n\r?\n")
END_OF_LINE = re.compile(rb"\r?\n")
DONE = b"[DONE]"
# llama.cpp sends it between the completions of several prompts; OpenAI clients fail on
# it.
NULL = b"null"


class EventTooLongError(Exception):
    pass


class EventSplitter:
    """Cuts a stream of bytes into events, each with its blank line."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Raises EventTooLongError, which bounds what is buffered."""
        # A blank line may have started up to 3 bytes before this chunk.
        position = max(0, len(self.rest) - 3)
        text = self.rest + chunk
        events, start = [], 0
        for end in END_OF_EVENT.finditer(text, position):
            events.append(text[start : end.end()])
            start = end.end()
        self.rest = text[start:]
        if len(self.rest) > MAX_EVENT_BYTES:
            raise EventTooLongError
        return events

    def flush(self) -> list[bytes]:
        """The last event, if its blank line is missing."""
        rest, self.rest = self.rest, b""
        return [rest + b"\n\n"] if rest.strip() else []


def event_data(event: bytes) -> bytes:
    """Empty for comments and events without data."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return event[6:-2].strip()
    lines = END_OF_LINE.split(event)
    return b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))


def parse_object(data: bytes) -> dict[str, object]:
    """Empty for anything but a JSON object."""
    try:
        return parse_json(data)
    except InvalidJsonError:
        return {}


def format_event(data: bytes, kind: bytes = b"") -> bytes:
    name = b"event: " + kind + b"\n" if kind else b""
    return name + b"data: " + data + b"\n\n"
