"""Where long arrays of strings end.

Half of a header is a vocabulary, whose end is only found by going from string to
string: 10 ms and more. Files of one folder share few vocabularies, so the last ones
that were gone through are kept: to see that one is there again takes a tenth of that.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

LENGTH = struct.Struct("<Q")
WORTH_KEEPING = 1000  # strings
KEPT_BYTES = 16 * 2**20
HEAD = 64

Key = tuple[int, bytes]


def walk(held: bytearray, at: int, count: int) -> tuple[int, int, int]:
    """As far as lengths are held: where the last string begins, where it ends (perhaps
    beyond what is held), and how many strings are left."""
    begin, last, length = at, len(held) - LENGTH.size, LENGTH.unpack_from
    for done in range(count):
        if at > last:
            return begin, at, count - done
        begin = at + LENGTH.size
        at = begin + length(held, at)[0]
    return begin, at, 0


@dataclass(slots=True)
class Spans:
    """Arrays that were gone through, by their number of strings and their beginning.
    Threads may lose each other's: those are gone through once more."""

    known: dict[Key, bytes] = field(default_factory=dict)

    def length(self, held: bytearray, at: int, count: int) -> int:
        """Of an array that may be the one here; 0: none is known."""
        return len(self.known.get(_key(held, at, count), b""))

    def knows(self, held: bytearray, at: int, count: int) -> bool:
        key = _key(held, at, count)
        kept = self.known.get(key)
        if kept is None or not held.startswith(kept, at):
            return False
        self.known[key] = self.known.pop(key, kept)  # the last one to go
        return True

    def keep(self, held: bytearray, at: int, end: int, count: int) -> None:
        if count < WORTH_KEEPING or end - at > KEPT_BYTES:
            return
        key = _key(held, at, count)
        self.known.pop(key, None)
        self.known[key] = bytes(held[at:end])
        while sum(map(len, [*self.known.values()])) > KEPT_BYTES:
            self.known.pop(next(iter(self.known)), None)


def _key(held: bytearray, at: int, count: int) -> Key:
    return count, bytes(held[at : at + HEAD])
