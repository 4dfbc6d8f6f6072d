"""Parse and validate the parameters of a query about usage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from common.exceptions import Invalid
from common.problems import Problem, shorten, unknown_fields
from monitoring.history.params import parse_span
from monitoring.usage.ledger import HOUR_S

TIMES = ("start_time", "end_time", "range")
SUBJECTS = ("token", "user", "model")
GROUPS = ("hour", "day", *SUBJECTS)
NAMES = (*TIMES, "group_by", *SUBJECTS)
DEFAULT_RANGE = "30d"
DEFAULT_GROUPS = ("model",)
MAX_VALUES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageQuery:
    """start, end: seconds since the epoch; start is the start of an hour. subjects: ids
    or names by token, user and model; any of a list."""

    start: int
    end: int
    groups: tuple[str, ...] = DEFAULT_GROUPS
    subjects: Mapping[str, Sequence[str]]


def parse_query(
    raw: Mapping[str, Sequence[str]], also_allowed: Iterable[str] = ()
) -> UsageQuery:
    """raw: a URL's query parameters; lists are separated by commas. Raises Invalid."""
    lists = {name: _split(raw.get(name, ())) for name in (*SUBJECTS, "group_by")}
    problems = [
        *unknown_fields(raw, [*NAMES, *also_allowed]),
        *(_unknown_group(name) for name in lists["group_by"] if name not in GROUPS),
        *(
            _too_many(name, len(found))
            for name, found in lists.items()
            if len(found) > MAX_VALUES
        ),
    ]
    if problems:
        raise Invalid(problems)
    times = [raw[name][-1].strip() if raw.get(name) else "" for name in TIMES]
    span = parse_span(*(times if any(times) else ("", "", DEFAULT_RANGE)))
    return UsageQuery(
        start=span.start // HOUR_S * HOUR_S,
        end=span.end,
        groups=tuple(lists["group_by"]) or DEFAULT_GROUPS,
        subjects={name: lists[name] for name in SUBJECTS if lists[name]},
    )


def _split(texts: Iterable[str]) -> list[str]:
    values = (value.strip() for text in texts for value in text.split(","))
    return list(dict.fromkeys(value for value in values if value))


def _unknown_group(name: str) -> Problem:
    params = {"value": shorten(name), "allowed": list(GROUPS)}
    return Problem(code="unknown_group_by", field="group_by", params=params)


def _too_many(name: str, count: int) -> Problem:
    params = {"key": name, "value": count, "max": MAX_VALUES}
    return Problem(code="too_many_values", field=name, params=params)
