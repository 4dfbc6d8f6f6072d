"""Reads the cleaned log of a run: its tail, matching lines, or all of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from common.exceptions import PlatformError
from models_app.models import Run
from models_app.runs import LOG_TAIL_CHARS
from runtimes.drivers.base import Chunk, LogReader
from runtimes.logs.sanitize import LONGEST_LINE, Cleaner, clean
from runtimes.registry import driver

TAIL_BYTES = 2**20
KEPT_BYTES = 32 * 2**20  # no driver keeps more
CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """truncated: there are, or were, more lines before them."""

    lines: list[str]
    truncated: bool


class NoLog:
    """For a run whose driver is not installed any more."""

    def read(self, max_bytes: int) -> Chunk:
        return Chunk(data=b"")

    def close(self) -> None:
        """Nothing to close."""


def reader_of(run: Run, max_bytes: int) -> LogReader:
    """Raw, starting max_bytes before the end."""
    try:
        return driver(run.driver).log(run.uid, max_bytes)
    except PlatformError:
        return NoLog()


def cleaner_of(run: Run, longest: int | None = LONGEST_LINE) -> Cleaner:
    return Cleaner([run.engine_key], longest)


def tail(run: Run, max_bytes: int = 65536) -> str:
    """The end of the log; once its files are gone, what the row holds of it."""
    text = driver(run.driver).tail(run.uid, max_bytes) or run.log_tail
    return clean(text, [run.engine_key])


def last_lines(run: Run, count: int, search: str = "") -> Lines:
    """search: only lines that contain it, in upper or lower case."""
    pattern = search.casefold()
    found: deque[str] = deque(maxlen=count)
    matches, truncated = 0, False
    for chunk, lines in _read(run, KEPT_BYTES if search else TAIL_BYTES):
        truncated |= chunk.skipped
        matching = [line for line in lines if pattern in line.casefold()]
        matches += len(matching)
        found.extend(matching)
    return Lines(lines=list(found), truncated=truncated or matches > count)


def whole(run: Run) -> Iterator[bytes]:
    """The whole log in non-empty chunks; lines are not cut."""
    for _, lines in _read(run, KEPT_BYTES, longest=None):
        if lines:
            yield "".join(f"{line}\n" for line in lines).encode()


def kept_lines(run: Run) -> Lines:
    """The end of the log as stored in the row when the run ended."""
    lines = clean(run.log_tail, [run.engine_key]).splitlines()
    return Lines(lines=lines, truncated=len(run.log_tail) >= LOG_TAIL_CHARS)


def _read(
    run: Run, max_bytes: int, longest: int | None = LONGEST_LINE
) -> Iterator[tuple[Chunk, list[str]]]:
    """Stops at the present end: an engine may write faster than a client reads."""
    cleaner, left = cleaner_of(run, longest), max_bytes
    with closing(reader_of(run, max_bytes)) as reader:
        while left > 0 and (chunk := reader.read(min(left, CHUNK_BYTES))).data:
            left -= len(chunk.data)
            yield chunk, cleaner.feed(chunk.data)
    if left < max_bytes:
        yield Chunk(data=b""), cleaner.end()
    else:
        kept = kept_lines(run)
        yield Chunk(data=b"", skipped=kept.truncated), kept.lines
