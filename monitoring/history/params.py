"""A request's words, as in a URL, made into a question to history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.exceptions import Invalid
from common.problems import Problem, shown, unknown_fields
from monitoring.history.aggregation.aggregates import ALLOWED
from monitoring.history.request import Request, span_of, step_of
from monitoring.metrics import METRICS

ONE = ("start_time", "end_time", "range", "step", "aggregate")
MANY = ("metric", "source")
WORDS = (*ONE, *MANY)
AGGREGATES = list(dict.fromkeys(name for kind in ALLOWED.values() for name in kind))
# More than there are of either; the rest is somebody's mistake.
MAX_WORDS = 500

Words = dict[str, Any]


def words_of(given: Mapping[str, Sequence[str]], also: Iterable[str] = ()) -> Words:
    """Of what a URL says; repeated words and lists with commas are the same. also:
    words that others read. Raises Invalid."""
    if found := list(unknown_fields(given, [*WORDS, *also])):
        raise Invalid(found)
    one = {name: given[name][-1].strip() for name in ONE if given.get(name)}
    many = {name: _listed(given[name]) for name in MANY if given.get(name)}
    return {name: value for name, value in {**one, **many}.items() if value}


def request_of(words: Words) -> Request:
    """Raises Invalid, with all that is wrong with the words themselves."""
    aggregate = words.get("aggregate")
    if aggregate and aggregate not in AGGREGATES:
        params = {"value": shown(aggregate), "allowed": AGGREGATES}
        code = "unknown_aggregate"
        raise Invalid([Problem(code=code, field="aggregate", params=params)])
    span = span_of(
        words.get("start_time", ""), words.get("end_time", ""), words.get("range", "")
    )
    sources = [_source(word) for word in words.get("source", [])]
    return Request(
        start=span.start,
        end=span.end,
        metrics=words.get("metric") or _able(aggregate),
        sources=sources or None,
        step=step_of(words["step"]) if words.get("step") else None,
        aggregate=aggregate,
    )


def _able(aggregate: str | None) -> list[str]:
    """All metrics that have such an aggregate."""
    return [
        metric.name
        for metric in METRICS.values()
        if aggregate is None or aggregate in ALLOWED[metric.kind]
    ]


def _source(word: str) -> tuple[str, str]:
    kind, colon, key = word.partition(":")
    return (kind, key) if colon else ("", word)


def _listed(texts: Iterable[str]) -> list[str]:
    words = (word.strip() for text in texts for word in text.split(","))
    return list(dict.fromkeys(word for word in words if word))[:MAX_WORDS]
