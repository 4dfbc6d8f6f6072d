"""Server-sent events as engines send them. Pure."""

from __future__ import annotations

import re

from gateway.protocol.validation import NotJsonError, parsed

MAX_EVENT_BYTES = 16 * 2**20
END_OF_EVENT = re.compile(rb"\r?\n\r?\n")
END_OF_LINE = re.compile(rb"\r?\n")
DONE = b"[DONE]"
# llama.cpp sends it between the answers to several prompts; clients stumble over it.
NOTHING = b"null"


class EventTooLongError(Exception):
    pass


class Events:
    """Cuts a stream of bytes, split anywhere, into events with their blank line."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Raises EventTooLongError: what is kept for the next call is bounded."""
        # A blank line may have begun up to 3 bytes before this chunk.
        position = max(0, len(self.rest) - 3)
        text = self.rest + chunk
        events, begin = [], 0
        for end in END_OF_EVENT.finditer(text, position):
            events.append(text[begin : end.end()])
            begin = end.end()
        self.rest = text[begin:]
        if len(self.rest) > MAX_EVENT_BYTES:
            raise EventTooLongError
        return events

    def end(self) -> list[bytes]:
        """What came after the last blank line: an event that lacks its own."""
        rest, self.rest = self.rest, b""
        return [rest + b"\n\n"] if rest.strip() else []


def data_of(event: bytes) -> bytes:
    """Empty for comments and the like."""
    lines = END_OF_LINE.split(event)
    return b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))


def object_of(data: bytes) -> dict[str, object]:
    """Empty for anything but a JSON object."""
    try:
        return parsed(data)
    except NotJsonError:
        return {}


def event_of(data: bytes, kind: bytes = b"") -> bytes:
    name = b"event: " + kind + b"\n" if kind else b""
    return name + b"data: " + data + b"\n\n"
