"""Read and write forms (multipart/form-data). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

MAX_PARTS = 64
BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=?-]{1,70}")


class InvalidFormError(ValueError):
    """The message gives the cause, but never quotes the content."""


@dataclass(frozen=True, slots=True)
class Part:
    """head: its header fields as they came."""

    name: str
    is_file: bool
    head: bytes
    value: memoryview


class _Reader:
    """Collects positions in the content, which the parser gets in one piece."""

    def __init__(self, content: bytes) -> None:
        self.parts: list[Part] = []
        self.is_complete = False
        self._content = content

    def begin(self) -> None:
        if len(self.parts) == MAX_PARTS:
            raise InvalidFormError(f"more than {MAX_PARTS} fields")
        self._head = [len(self._content), 0]
        self._field = b""
        self._disposition = b""
        self._value = [0, 0]

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._head[0] = min(self._head[0], start)
        self._field = data[start:end].lower()

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._head[1] = end
        if self._field == b"content-disposition":
            self._disposition = data[start:end]

    def data(self, _data: bytes, start: int, end: int) -> None:
        self._value = [self._value[0] or start, end]

    def end(self) -> None:
        _, options = parse_options_header(self._disposition)
        part = Part(
            name=options.get(b"name", b"").decode(errors="replace"),
            is_file=b"filename" in options,
            head=self._content[slice(*self._head)],
            value=memoryview(self._content)[slice(*self._value)],
        )
        self.parts.append(part)

    def complete(self) -> None:
        self.is_complete = True


def read_form(content: bytes, content_type: bytes) -> tuple[bytes, list[Part]]:
    """Its boundary and parts. Raises InvalidFormError."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not BOUNDARY.fullmatch(boundary):
        raise InvalidFormError("its Content-Type is not multipart/form-data")
    reader = _Reader(content)
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": reader.begin,
            "on_header_field": reader.header_field,
            "on_header_value": reader.header_value,
            "on_part_data": reader.data,
            "on_part_end": reader.end,
            "on_end": reader.complete,
        },
    )
    try:
        parser.write(content)
    except FormParserError:
        raise InvalidFormError("it cannot be parsed") from None
    if not reader.is_complete:
        raise InvalidFormError("it is cut off")
    return boundary, reader.parts


def write_form(boundary: bytes, parts: Iterable[Part]) -> bytes:
    pieces: list[bytes | memoryview] = []
    for part in parts:
        pieces += [b"--", boundary, b"\r\n", part.head, b"\r\n\r\n", part.value]
        pieces.append(b"\r\n")
    return b"".join([*pieces, b"--", boundary, b"--\r\n"])
