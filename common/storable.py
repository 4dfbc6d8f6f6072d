"""What JSON can express but SQLite or PostgreSQL cannot store. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

MAX_DEPTH = 20


def too_deep(value: object) -> bool:
    """Goes no deeper than the limit, so no input can exhaust the stack."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def has_unstorable(value: object) -> bool:
    """value: not too_deep(). NUL, half a surrogate pair, infinity or NaN, in a key or
    a value: SQLite takes the first two and no infinity, PostgreSQL takes none."""
    if isinstance(value, str):
        return "\0" in value or any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict) and any(map(has_unstorable, value)):
        return True
    return any(map(has_unstorable, _inside(value)))


def _inside(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
