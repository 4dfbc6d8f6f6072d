"""Parse and validate the parameters of a history query."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q

from common.exceptions import Invalid
from common.problems import Problem, shorten, unknown_fields
from monitoring.history.aggregation import ranges
from monitoring.history.aggregation.aggregates import ALLOWED
from monitoring.metrics import METRICS, Metric
from monitoring.models import Source

SINGLE = ("start_time", "end_time", "range", "step", "aggregate")
REPEATABLE = ("metric", "source")
NAMES = (*SINGLE, *REPEATABLE)
AGGREGATES = list(dict.fromkeys(name for kind in ALLOWED.values() for name in kind))
CHOICES = {"aggregate": AGGREGATES, "range": list(ranges.RANGES)}
# More metrics or sources than any installation has.
MAX_VALUES = 500
SOURCES_SHOWN = 20  # in a message
SOURCES_COMPARED = 1000  # for the nearest name

Params = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """start, end: seconds since the epoch. sources: (kind, key or name); None: all
    sources seen in the time range. step None: as fine as a chart can show."""

    start: int
    end: int
    metrics: Sequence[str]
    sources: Sequence[tuple[str, str]] | None = None
    step: int | None = None
    aggregate: str | None = None


def parse_params(
    raw: Mapping[str, Sequence[str]], also_allowed: Iterable[str] = ()
) -> Params:
    """Clean a URL's query parameters. Repeated values and comma-separated lists are
    equivalent. also_allowed: names that the caller handles. Raises Invalid."""
    if problems := list(unknown_fields(raw, [*NAMES, *also_allowed])):
        raise Invalid(problems)
    single = {name: raw[name][-1].strip() for name in SINGLE if raw.get(name)}
    if blank := [_blank(name) for name in CHOICES if single.get(name) == ""]:
        raise Invalid(blank)
    lists = {name: _split(raw[name]) for name in REPEATABLE if raw.get(name)}
    return {name: value for name, value in {**single, **lists}.items() if value}


def build_query(params: Params) -> HistoryQuery:
    """Raises Invalid. Names of metrics and sources are checked later, see
    select_metrics() and select_sources()."""
    aggregate = params.get("aggregate")
    if aggregate and aggregate not in AGGREGATES:
        raise Invalid(
            [
                Problem(
                    code="unknown_aggregate",
                    field="aggregate",
                    params={"value": shorten(aggregate), "allowed": AGGREGATES},
                )
            ]
        )
    span = parse_span(
        params.get("start_time", ""),
        params.get("end_time", ""),
        params.get("range", ""),
    )
    sources = [_split_source(text) for text in params.get("source", [])]
    return HistoryQuery(
        start=span.start,
        end=span.end,
        metrics=params.get("metric") or _metrics_with(aggregate),
        sources=sources or None,
        step=parse_step(params["step"]) if params.get("step") else None,
        aggregate=aggregate,
    )


def parse_span(
    start_time: str = "", end_time: str = "", length: str = ""
) -> ranges.Span:
    """Raises Invalid."""
    zone = ZoneInfo(settings.TIME_ZONE)
    try:
        return ranges.parse(start_time, end_time, length, now=time.time(), zone=zone)
    except ranges.RangeError as error:
        raise Invalid([error.problem]) from None


def parse_step(text: str) -> int:
    """Raises Invalid."""
    try:
        return ranges.parse_step(text)
    except ranges.RangeError as error:
        raise Invalid([error.problem]) from None


def select_metrics(query: HistoryQuery) -> list[Metric]:
    """Raises Invalid."""
    names = list(dict.fromkeys(query.metrics))
    problems = [*_unknown_metrics(names), *_unsupported(names, query.aggregate)]
    if query.end <= query.start:
        params = {"start": query.start, "end": query.end}
        problems.append(Problem(code="end_before_start", field="end", params=params))
    if problems:
        raise Invalid(problems)
    return [METRICS[name] for name in names]


def select_sources(query: HistoryQuery, kinds: set[str]) -> list[Source]:
    """Raises Invalid."""
    if query.sources is None:
        seen = Source.objects.filter(kind__in=kinds, last_seen__gte=query.start)
        return list(seen.filter(first_seen__lt=query.end))
    found = [_find_source(kind, text) for kind, text in dict.fromkeys(query.sources)]
    problems = [each for each in found if isinstance(each, Problem)]
    if problems:
        raise Invalid(problems)
    return list(dict.fromkeys(each for each in found if isinstance(each, Source)))


def _metrics_with(aggregate: str | None) -> list[str]:
    return [
        metric.name
        for metric in METRICS.values()
        if aggregate is None or aggregate in ALLOWED[metric.kind]
    ]


def _blank(name: str) -> Problem:
    params = {"value": "", "allowed": CHOICES[name]}
    return Problem(code=f"unknown_{name}", field=name, params=params)


def _split_source(text: str) -> tuple[str, str]:
    kind, colon, key = text.partition(":")
    return (kind, key) if colon else ("", text)


def _split(texts: Iterable[str]) -> list[str]:
    values = (value.strip() for text in texts for value in text.split(","))
    return list(dict.fromkeys(value for value in values if value))[:MAX_VALUES]


def unknown_metric(name: str) -> Problem:
    return _unknown("unknown_metric", "metric", name, list(METRICS))


def unsupported(metric: Metric, aggregate: str) -> Problem:
    params = {
        "value": shorten(aggregate),
        "metric": metric.name,
        "allowed": list(ALLOWED[metric.kind]),
    }
    return Problem(code="aggregate_not_possible", field="aggregate", params=params)


def _unknown_metrics(names: Iterable[str]) -> Iterator[Problem]:
    yield from (unknown_metric(name) for name in names if name not in METRICS)


def _unsupported(names: Iterable[str], aggregate: str | None) -> Iterator[Problem]:
    for metric in (METRICS[name] for name in names if name in METRICS):
        if aggregate and aggregate not in ALLOWED[metric.kind]:
            yield unsupported(metric, aggregate)


def _find_source(kind: str, text: str) -> Source | Problem:
    """By key, else by name; the most recently seen of several with that name."""
    among = Source.objects.filter(Q(key=text) | Q(name=text), kind=kind)
    found = sorted(among, key=lambda source: (source.key != text, -source.last_seen))
    if found:
        return found[0]
    known = Source.objects.filter(kind=kind) if kind else Source.objects.all()
    names = [
        f"{s.kind}:{s.name}" for s in known.order_by("-last_seen")[:SOURCES_COMPARED]
    ]
    return _unknown("unknown_source", "source", f"{kind}:{text}", names)


def _unknown(code: str, name: str, value: str, known: list[str]) -> Problem:
    nearest = get_close_matches(value, known, n=1) or [""]
    params = {
        "value": shorten(value),
        "nearest": nearest[0],
        "allowed": known if code == "unknown_metric" else known[:SOURCES_SHOWN],
    }
    return Problem(code=code, field=name, params=params)
