"""The header of a GGUF file: its metadata and its tensors.

Own, and not the package `gguf`: that one makes an object of every element of every
array (2 s and 160 MiB for a vocabulary of 49,152 tokens, against 10 ms here), maps the
file into memory (a file cut short meanwhile would kill the process), and believes the
counts it reads (a header of 100 bytes values it busy until its memory was gone).
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import BinaryIO

from common.problems import Problem, shorten
from runtimes.frameworks.lfs_pointer import code_of
from runtimes.frameworks.llamacpp.spans import ENDS, LENGTH, Span, Spans, walk

FIELD = "config.model_path"
PATH_SHOWN = 255
MAGIC = b"GGUF"
VERSIONS = (2, 3)
CHUNK = 64 * 1024
# Real ones: up to 20 MiB, 2,000 tensors, 50 values, vocabularies of 300,000 tokens.
MAX_HEADER = 64 * 1024 * 1024
MAX_TENSORS = 20_000
MAX_VALUES = 100_000
MAX_NAME = 256  # of a tensor: llama.cpp itself takes 63
MAX_STRINGS = 4_000_000
MAX_TEXT = 1024 * 1024
# Longer arrays are counted and left out: an estimate needs values per layer only.
MAX_KEPT = 4096
# Of keys, texts and elements of arrays, in all: headers are cached, and an element
# takes ten times its space in the file.
MAX_KEPT_IN_ALL = 64 * MAX_KEPT
MAX_DIMENSIONS = 4
MAX_PER_BYTE = 8  # elements: the smallest quantisation takes more than 1 bit of each
DEFAULT_ALIGNMENT = 32
MAX_ALIGNMENT = 1024 * 1024

SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
STRING, ARRAY = 8, 9
LAYOUTS = {letter: struct.Struct(f"<{letter}") for letter in SCALARS.values()}
PLACES = [struct.Struct(f"<{count}QIQ") for count in range(MAX_DIMENSIONS + 1)]
SPANS = Spans()

Value = int | float | bool | str | tuple[int | float | bool, ...]


class BadGguf(Exception):
    def __init__(self, code: str, path: Path, **params: object) -> None:
        super().__init__(code)
        params = {"path": shorten(str(path), PATH_SHOWN), **params}
        self.problem = Problem(code=code, field=FIELD, params=params)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """type: number of ggml_type."""

    name: str
    elements: int
    type: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """lengths: of arrays, also of those too long to be values among the values."""

    path: Path
    values: Mapping[str, Value]
    lengths: Mapping[str, int]
    tensors: tuple[Tensor, ...]


def read_header(path: Path) -> Header:
    """Raises BadGguf. Takes time by the header, never by what it claims, and little
    memory."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise BadGguf("not_a_file", path)
        with path.open("rb") as file:
            return _header(_Bytes(file, path, about.st_size))
    except (FileNotFoundError, NotADirectoryError):
        raise BadGguf("file_missing", path) from None
    except (OSError, ValueError):
        raise BadGguf("file_unreadable", path) from None


class _Bytes:
    """The bytes of the header, read as far as needed. held: a stretch of them,
    which begins at base; positions in it count from there."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self.file, self.path, self.size = file, path, size
        self.held, self.base, self.at = bytearray(), 0, 0

    def bad(self, what: str) -> BadGguf:
        return BadGguf("gguf_broken", self.path, what=what, at=self.at)

    def skip(self, count: int) -> int:
        """Where in held these bytes start; they are there then."""
        start, end = self.at, self.at + count
        if end > self.base + len(self.held):
            self._hold(end)
        self.at = end
        return start - self.base

    def pass_over(self, count: int) -> None:
        """Without reading these bytes."""
        end = self.at + count
        self._check(end)
        self._go_to(end)

    def _go_to(self, at: int) -> None:
        if not self.base <= at <= self.base + len(self.held):
            self.file.seek(at)
            self.held, self.base = bytearray(), at
        self.at = at

    def _check(self, end: int) -> None:
        if end > self.size:
            raise BadGguf("gguf_truncated", self.path, at=self.at, size=self.size)
        if end > MAX_HEADER:
            raise self.bad("header_size")

    def _hold(self, end: int) -> None:
        self._check(end)
        have = self.base + len(self.held)
        self.held += self.file.read(max(CHUNK, end - have))
        have = self.base + len(self.held)
        if end > have:  # cut short since its size was read
            raise BadGguf("gguf_truncated", self.path, at=self.at, size=have)

    def numbers(self, layout: struct.Struct) -> tuple[int, ...]:
        first = self.skip(layout.size)
        return layout.unpack_from(self.held, first)

    def number(self, kind: str) -> int:
        return self.numbers(LAYOUTS[kind])[0]

    def count(self, what: str, most: int) -> int:
        number = self.number("Q")
        if number > most:
            raise self.bad(what)
        return number

    def text(self, most: int = MAX_TEXT) -> str:
        length = self.count("text", most)
        start = self.skip(length)
        return self.held[start : start + length].decode(errors="replace")

    def skip_strings(self, count: int) -> None:
        start, key = self.at, (count, self._next(ENDS))
        span = SPANS.find(key)
        if span and self._ends_like(span):
            return
        self._go_to(start)
        left = count
        while left:
            self.number("Q")  # the first length is held now, or cut off
            first = self.at - LENGTH.size - self.base
            at, end, left = walk(self.held, first, left)
            self.at = self.base + at
            self.skip(end - at)
        size = self.at - start
        end = self.at - self.base
        SPANS.keep(key, size, bytes(self.held[max(0, end - ENDS) : end]))

    def _next(self, count: int) -> bytes:
        """Fewer at the end of the file."""
        end = min(self.at + count, self.size, MAX_HEADER)
        if end > self.base + len(self.held):
            self._hold(end)
        first = self.at - self.base
        return bytes(self.held[first : first + count])

    def _ends_like(self, span: Span) -> bool:
        if self.at + span.size > min(self.size, MAX_HEADER):
            return False
        self.pass_over(span.size - len(span.tail))
        first = self.skip(len(span.tail))
        return self.held.startswith(span.tail, first)


def _header(source: _Bytes) -> Header:
    magic = source.skip(len(MAGIC))
    if source.held[magic : magic + len(MAGIC)] != MAGIC:
        raise BadGguf(code_of(source.held[magic:], "not_gguf"), source.path)
    if source.number("I") not in VERSIONS:
        raise source.bad("version")
    tensor_count = source.count("tensor_count", MAX_TENSORS)
    value_count = source.count("value_count", MAX_VALUES)
    values = _Values()
    for _ in range(value_count):
        _read_value(source, values)
    tensors = _tensors(source, tensor_count, values.values.get("general.alignment"))
    return Header(
        path=source.path, values=values.values, lengths=values.lengths, tensors=tensors
    )


@dataclass(slots=True)
class _Values:
    """What comes when there is no room any more is read, and left out."""

    values: dict[str, Value] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    room: int = MAX_KEPT_IN_ALL

    def has_room(self, size: int) -> bool:
        if size > self.room:
            return False
        self.room -= size
        return True

    def add(self, key: str, value: Value) -> None:
        size = len(value) if isinstance(value, str | tuple) else 1
        if self.has_room(len(key) + size):
            self.values[key] = value


def _read_value(source: _Bytes, values: _Values) -> None:
    key, kind = source.text(), source.number("I")
    if kind == STRING:
        values.add(key, source.text())
    elif kind == ARRAY:
        inner, length = source.number("I"), source.number("Q")
        if values.has_room(len(key) + 1):
            values.lengths[key] = length
        elements = _array(source, inner, length)
        if elements is not None:
            values.add(key, elements)
    elif kind in SCALARS:
        values.add(key, source.number(SCALARS[kind]))
    else:
        raise source.bad("value_type")


def _array(
    source: _Bytes, kind: int, length: int
) -> tuple[int | float | bool, ...] | None:
    if kind == STRING:
        if length > MAX_STRINGS:
            raise source.bad("array_length")
        source.skip_strings(length)
        return None
    if kind not in SCALARS:
        raise source.bad("value_type")
    size = length * LAYOUTS[SCALARS[kind]].size
    if length > MAX_KEPT:
        source.pass_over(size)
        return None
    start = source.skip(size)
    return struct.unpack_from(f"<{length}{SCALARS[kind]}", source.held, start)


def _tensors(source: _Bytes, count: int, alignment: Value | None) -> tuple[Tensor, ...]:
    found = [_tensor(source) for _ in range(count)]
    align = DEFAULT_ALIGNMENT if alignment is None else alignment
    if not isinstance(align, int) or align < 1 or align > MAX_ALIGNMENT:
        raise source.bad("alignment")
    start = -(-source.at // align) * align
    data = source.size - start
    ends = sorted({offset for *_, offset in found} | {max(data, 0)})
    sizes = {offset: end - offset for offset, end in pairwise(ends)}
    if cut_off := [offset for *_, offset in found if offset >= data]:
        at = start + min(cut_off)
        raise BadGguf("gguf_truncated", source.path, at=at, size=source.size)
    if any(elements > sizes[at] * MAX_PER_BYTE for _, elements, _, at in found):
        raise source.bad("tensor_size")
    if len(sizes) != len(found):
        raise source.bad("tensor_offset")
    return tuple(
        Tensor(name=name, elements=elements, type=kind, bytes=sizes[offset])
        for name, elements, kind, offset in found
    )


def _tensor(source: _Bytes) -> tuple[str, int, int, int]:
    """Name, elements, type, offset. Its size is that up to the next one: so no table of
    the types that llama.cpp keeps adding is needed."""
    name, dimensions = source.text(MAX_NAME), source.number("I")
    if dimensions > MAX_DIMENSIONS:
        raise source.bad("dimensions")
    *shape, kind, offset = source.numbers(PLACES[dimensions])
    return name, prod(shape), kind, offset
