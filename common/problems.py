"""Problems of inputs, as codes with parameters; messages are rendered elsewhere."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

MAX_CHARS = 100  # of a value in a message
# Each unknown field costs a fuzzy search: a body of 100,000 of them must stay cheap.
UNKNOWN_FIELDS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """field: dotted, "config.model_path"; params: short values fit for a message."""

    code: str
    field: str
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)


def shorten(text: str, limit: int = MAX_CHARS) -> str:
    """Cuts the text, and replaces lone surrogates, which cannot be encoded in UTF-8."""
    text = text.encode(errors="replace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def as_json(value: object) -> str:
    """As JSON, so that "8" and 8 look different in a message."""
    try:
        return shorten(json.dumps(value, ensure_ascii=False, default=str))
    except RecursionError:
        return "…"


def wrong_type(name: str, value: object, expected: str) -> Problem:
    params = {"key": name, "value": as_json(value), "expected": expected}
    return Problem(code="wrong_type", field=name, params=params)


def out_of_range(name: str, value: object, low: object, high: object) -> Problem:
    params = {"key": name, "value": as_json(value), "min": low, "max": high}
    return Problem(code="out_of_range", field=name, params=params)


def unknown_fields(names: Iterable[object], known: list[str]) -> Iterator[Problem]:
    unknown = [str(name) for name in names if name not in known]
    for name in map(shorten, unknown[:UNKNOWN_FIELDS_SHOWN]):
        nearest = get_close_matches(name, known, n=1) or [""]
        params = {"key": name, "nearest": nearest[0], "allowed": known}
        yield Problem(code="unknown_field", field=name, params=params)
