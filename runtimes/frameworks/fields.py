"""Types and ranges of config values, as data, and the check of a config against them.

JSON's rules, not Python's: true is not 1; 1 is a number; NaN and Infinity are nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

from common import problems
from common.problems import UNKNOWN_FIELDS_SHOWN, Problem, shorten


class Field(Protocol):
    def problem(self, key: str, value: object) -> Problem | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    min: int
    max: int

    def problem(self, key: str, value: object) -> Problem | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return wrong_type(key, value, "integer")
        if not self.min <= value <= self.max:
            return out_of_range(key, value, self.min, self.max)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    min: float
    max: float
    min_itself: bool = True

    def problem(self, key: str, value: object) -> Problem | None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return wrong_type(key, value, "number")
        inside = self.min <= value <= self.max  # false for NaN
        if not inside or (value == self.min and not self.min_itself):
            low = f"{self.min:g}" if self.min_itself else f"> {self.min:g}"
            return out_of_range(key, value, low, f"{self.max:g}")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean:
    def problem(self, key: str, value: object) -> Problem | None:
        if not isinstance(value, bool):
            return wrong_type(key, value, "true, false")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    max_bytes: int

    def problem(self, key: str, value: object) -> Problem | None:
        if not isinstance(value, str):
            return wrong_type(key, value, "string")
        if "\0" in value or shorten(value, len(value)) != value:
            return wrong_type(key, value, "string in UTF-8 without NUL")
        size = len(value.encode())
        if size > self.max_bytes:
            return out_of_range(key, size, 0, f"{self.max_bytes} bytes")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Names, with the numbers that the engine takes for them."""

    numbers: dict[str, int]

    def problem(self, key: str, value: object) -> Problem | None:
        if not isinstance(value, str) or value not in self.numbers:
            return wrong_type(key, value, "one of " + ", ".join(self.numbers))
        return None


@dataclass(frozen=True, slots=True)
class OneOf:
    values: tuple[str, ...]

    def problem(self, key: str, value: object) -> Problem | None:
        if not isinstance(value, str) or value not in self.values:
            return wrong_type(key, value, "one of " + ", ".join(self.values))
        return None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name that only the engine knows."""

    pattern: str
    expected: str

    def problem(self, key: str, value: object) -> Problem | None:
        found = isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII)
        return None if found else wrong_type(key, value, self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    def problem(self, key: str, value: object) -> Problem | None:
        return None if isinstance(value, dict) else wrong_type(key, value, "object")


LABEL = r"[A-Za-z0-9][\w.-]{0,63}"


def installation(*kinds: str) -> Pattern:
    """The usual installation of an engine, or another one of its kind."""
    names = ", ".join(kinds)
    return Pattern(
        f"(?:{'|'.join(kinds)})(?:@{LABEL})?",
        f"one of {names}, or one of them with @ and the label of an installation",
    )


def kind_of(engine: str) -> str:
    return engine.partition("@")[0]


def wrong_type(key: str, value: object, expected: str) -> Problem:
    return _of_config(problems.wrong_type(key, value, expected))


def out_of_range(key: str, value: object, low: object, high: object) -> Problem:
    return _of_config(problems.out_of_range(key, value, low, high))


def _of_config(problem: Problem) -> Problem:
    return dataclasses.replace(problem, field=f"config.{problem.field}")


def unknown_keys(config: Mapping[str, object], known: list[str]) -> Iterator[Problem]:
    unknown = [key for key in config if key not in known]
    for key in unknown[:UNKNOWN_FIELDS_SHOWN]:
        name = shorten(key)
        nearest = get_close_matches(name, known, n=1) or [""]
        yield Problem(
            code="unknown_key",
            field=f"config.{name}",
            params={"key": name, "nearest": nearest[0], "allowed": known},
        )


def text_of(values: Mapping[str, object], key: str, default: str = "") -> str:
    """For a checked config."""
    value = values.get(key, default)
    return value if isinstance(value, str) else default


def integer_of(values: Mapping[str, object], key: str, default: int) -> int:
    """For a checked config."""
    value = values.get(key, default)
    return value if isinstance(value, int) else default


def bad_values(
    values: Mapping[str, object], fields: Mapping[str, Field], prefix: str = ""
) -> Iterator[Problem]:
    for name, field in fields.items():
        if name in values:
            problem = field.problem(prefix + name, values[name])
            if problem is not None:
                yield problem
