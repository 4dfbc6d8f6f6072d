"""Checks of JSON values, to combine into tables of fields. Pure.

Types are JSON's, not Python's: true is not an integer, 1 is a number.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from common.problems import Problem, out_of_range, wrong_type

Check = Callable[[str, object], Problem | None]

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
MAX_DEPTH = 900  # about where Python's encoder gives up


def integer(low: int, high: int) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return wrong_type(name, value, "integer")
        return None if low <= value <= high else out_of_range(name, value, low, high)

    return check


def number(low: float, high: float) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return wrong_type(name, value, "number")
        return None if low <= value <= high else out_of_range(name, value, low, high)

    return check


def of_type(kind: type, expected: str) -> Check:
    def check(name: str, value: object) -> Problem | None:
        return None if isinstance(value, kind) else wrong_type(name, value, expected)

    return check


boolean = of_type(bool, "true, false")


def text(max_bytes: int) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if not isinstance(value, str):
            return wrong_type(name, value, "string")
        size = len(value.encode(errors="replace"))
        if size > max_bytes:
            return out_of_range(name, size, 0, f"{max_bytes} bytes")
        return None

    return check


def choice(*values: str) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if isinstance(value, str) and value in values:
            return None
        return wrong_type(name, value, "one of " + ", ".join(values))

    return check


def list_of(check: Check, most: int) -> Check:
    """At most so many items; a problem names the item: stop.3."""

    def check_all(name: str, value: object) -> Problem | None:
        if not isinstance(value, list):
            return wrong_type(name, value, "list")
        if len(value) > most:
            return out_of_range(name, len(value), 0, f"{most} items")
        problems = (check(f"{name}.{i}", item) for i, item in enumerate(value))
        return next((problem for problem in problems if problem), None)

    return check_all


def mapping(check: Check, most: int) -> Check:
    """An object with at most so many values, all of one kind."""

    def check_all(name: str, value: object) -> Problem | None:
        if not isinstance(value, dict):
            return wrong_type(name, value, "object")
        if len(value) > most:
            return out_of_range(name, len(value), 0, f"{most} items")
        problems = (check(name, item) for item in value.values())
        return next((problem for problem in problems if problem), None)

    return check_all


def sized(check: Check, max_bytes: int) -> Check:
    """And at most so many bytes as JSON."""

    def check_size(name: str, value: object) -> Problem | None:
        if problem := check(name, value):
            return problem
        try:
            size = len(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
        except RecursionError:
            params = {"key": name, "max": MAX_DEPTH}
            return Problem(code="too_deep", field=name, params=params)
        if size > max_bytes:
            return out_of_range(name, size, 0, f"{max_bytes} bytes")
        return None

    return check_size


def without_effect(*neutral: object) -> Check:
    """For a field that an engine ignores: only values that ask for nothing."""

    def check(name: str, value: object) -> Problem | None:
        if any(_same(value, allowed) for allowed in neutral):
            return None
        allowed = [json.dumps(each) for each in neutral]
        params = {"key": name, "allowed": allowed}
        return Problem(code="field_without_effect", field=name, params=params)

    return check


def _same(value: object, other: object) -> bool:
    """In JSON, true is not 1."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)
