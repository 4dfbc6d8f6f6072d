"""Where long arrays of strings end.

Most of a header is a vocabulary, whose end is only found by going from string to
string: megabytes read, and 10 ms and more. Files of one folder share few vocabularies,
so those that were gone through are known again by their number of strings, how they
start, and what then lies where they would end. What is in between is not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

LENGTH = struct.Struct("<Q")
# Bytes that are compared at each end
ENDS = 4096
WORTH_KEEPING = 16 * ENDS
KEPT = 256

Key = tuple[int, bytes]


def walk(held: bytearray, at: int, count: int) -> tuple[int, int, int]:
    """As far as lengths are held: where the last string begins, where it ends (perhaps
    beyond what is held), and how many strings are left."""
    start, last, length = at, len(held) - LENGTH.size, LENGTH.unpack_from
    for done in range(count):
        if at > last:
            return start, at, count - done
        start = at + LENGTH.size
        at = start + length(held, at)[0]
    return start, at, 0


@dataclass(frozen=True, slots=True)
class Span:
    """size: bytes of the whole array; tail: the last of them."""

    size: int
    tail: bytes


@dataclass(slots=True)
class Spans:
    """By number of strings and first bytes. Threads may lose each other's: those are
    gone through once more."""

    known: dict[Key, Span] = field(default_factory=dict)

    def find(self, key: Key) -> Span | None:
        return self.known.get(key)

    def keep(self, key: Key, size: int, tail: bytes) -> None:
        if size < WORTH_KEEPING:
            return
        while len(self.known) >= KEPT:
            self.known.pop(next(iter(self.known)), None)
        self.known[key] = Span(size, tail)
