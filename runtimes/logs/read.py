"""What a run's engine said, cleaned: its end, what is sought, all that is kept."""

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
    """truncated: before them there are more, or there were."""

    lines: list[str]
    truncated: bool


class NoLog:
    """Of a run whose driver is not installed any more."""

    def read(self, max_bytes: int) -> Chunk:
        return Chunk(data=b"")

    def close(self) -> None:
        """There is nothing to close."""


def reader_of(run: Run, max_bytes: int) -> LogReader:
    """From max_bytes before its end on, as the engine wrote it."""
    try:
        return driver(run.driver).log(run.uid, max_bytes)
    except PlatformError:
        return NoLog()


def cleaner_of(run: Run, longest: int | None = LONGEST_LINE) -> Cleaner:
    return Cleaner([run.engine_key], longest)


def tail(run: Run, max_bytes: int = 65536) -> str:
    """End of the run's log; what was kept with the row once its files are gone."""
    said = driver(run.driver).tail(run.uid, max_bytes) or run.log_tail
    return clean(said, [run.engine_key])


def last_lines(run: Run, count: int, search: str = "") -> Lines:
    """search: only lines that hold it, whatever its letters' case."""
    wanted = search.casefold()
    found: deque[str] = deque(maxlen=count)
    matches, truncated = 0, False
    for chunk, lines in _read(run, KEPT_BYTES if search else TAIL_BYTES):
        truncated |= chunk.skipped
        matching = [line for line in lines if wanted in line.casefold()]
        matches += len(matching)
        found.extend(matching)
    return Lines(lines=list(found), truncated=truncated or matches > count)


def whole(run: Run) -> Iterator[bytes]:
    """All that is kept, in pieces, none of them empty; lines are not cut."""
    for _, lines in _read(run, KEPT_BYTES, longest=None):
        if lines:
            yield "".join(f"{line}\n" for line in lines).encode()


def kept_lines(run: Run) -> Lines:
    """What was kept with the row when the run ended."""
    lines = clean(run.log_tail, [run.engine_key]).splitlines()
    return Lines(lines=lines, truncated=len(run.log_tail) >= LOG_TAIL_CHARS)


def _read(
    run: Run, max_bytes: int, longest: int | None = LONGEST_LINE
) -> Iterator[tuple[Chunk, list[str]]]:
    """Up to what is its end now: an engine may write faster than anybody reads."""
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
