"""Where long arrays of strings end.

Half of a header is a vocabulary, whose end is only found by going from string to
string: 10 ms and more. Files of one folder share few vocabularies, so one that was gone
through is known again by its digest, which is some twenty times as fast.
"""

from __future__ import annotations

import struct
from collections.abc import MutableMapping
from hashlib import sha256

LENGTH = struct.Struct("<Q")
WORTH_KEEPING = 1000  # strings
KEPT = 256
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


class Spans:
    """Of arrays that were gone through: how many bytes they take, and their digest."""

    def __init__(self) -> None:
        self.known: MutableMapping[Key, tuple[int, bytes]] = {}

    def length(self, held: bytearray, at: int, count: int) -> int:
        """Of an array that may be the one here; 0: none is known."""
        return self.known.get(_key(held, at, count), (0, b""))[0]

    def knows(self, held: bytearray, at: int, count: int) -> bool:
        size, digest = self.known.get(_key(held, at, count), (0, b""))
        end = at + size
        return size > 0 and end <= len(held) and _digest(held, at, end) == digest

    def keep(self, held: bytearray, at: int, end: int, count: int) -> None:
        if count < WORTH_KEEPING:
            return
        while len(self.known) >= KEPT:
            self.known.pop(next(iter(self.known)), None)
        self.known[_key(held, at, count)] = (end - at, _digest(held, at, end))


def _key(held: bytearray, at: int, count: int) -> Key:
    return count, bytes(held[at : at + HEAD])


def _digest(held: bytearray, at: int, end: int) -> bytes:
    with memoryview(held) as view:
        return sha256(view[at:end]).digest()
