"""What is asked of history, checked."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q

from common.exceptions import Invalid
from common.problems import Problem, shown
from monitoring.history.aggregation import ranges
from monitoring.history.aggregation.aggregates import ALLOWED
from monitoring.metrics import METRICS, Metric
from monitoring.models import Source

SOURCES_SHOWN = 20  # in a message
SOURCES_COMPARED = 1000  # for the nearest name


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """start, end: seconds since the epoch. sources: (kind, key or name); None: all that
    have been seen since start. step None: as fine as a chart can show."""

    start: int
    end: int
    metrics: Sequence[str]
    sources: Sequence[tuple[str, str]] | None = None
    step: int | None = None
    aggregate: str | None = None


def span_of(start_time: str = "", end_time: str = "", length: str = "") -> ranges.Span:
    """Raises Invalid."""
    zone = ZoneInfo(settings.TIME_ZONE)
    try:
        return ranges.parse(start_time, end_time, length, now=time.time(), zone=zone)
    except ranges.Refused as refused:
        raise Invalid([refused.problem]) from None


def step_of(text: str) -> int:
    """Raises Invalid."""
    try:
        return ranges.parse_step(text)
    except ranges.Refused as refused:
        raise Invalid([refused.problem]) from None


def metrics_of(request: Request) -> list[Metric]:
    names = list(dict.fromkeys(request.metrics))
    problems = [*_unknown_metrics(names), *_impossible(names, request.aggregate)]
    if request.end <= request.start:
        params = {"start": request.start, "end": request.end}
        problems.append(Problem(code="end_before_start", field="end", params=params))
    if problems:
        raise Invalid(problems)
    return [METRICS[name] for name in names]


def _unknown_metrics(names: Iterable[str]) -> Iterator[Problem]:
    for name in names:
        if name not in METRICS:
            yield _unknown("unknown_metric", "metric", name, list(METRICS))


def _impossible(names: Iterable[str], aggregate: str | None) -> Iterator[Problem]:
    for metric in (METRICS[name] for name in names if name in METRICS):
        if aggregate and aggregate not in ALLOWED[metric.kind]:
            params = {
                "value": shown(aggregate),
                "metric": metric.name,
                "allowed": list(ALLOWED[metric.kind]),
            }
            code = "aggregate_not_possible"
            yield Problem(code=code, field="aggregate", params=params)


def sources_of(request: Request, kinds: set[str]) -> list[Source]:
    if request.sources is None:
        seen = Source.objects.filter(kind__in=kinds, last_seen__gte=request.start)
        return list(seen.filter(first_seen__lt=request.end))
    named = [_source(kind, word) for kind, word in dict.fromkeys(request.sources)]
    problems = [found for found in named if isinstance(found, Problem)]
    if problems:
        raise Invalid(problems)
    return list(dict.fromkeys(found for found in named if isinstance(found, Source)))


def _source(kind: str, word: str) -> Source | Problem:
    """By key, else by name: of several with one name, the one seen last."""
    among = Source.objects.filter(Q(key=word) | Q(name=word), kind=kind)
    found = sorted(among, key=lambda source: (source.key != word, -source.last_seen))
    if found:
        return found[0]
    known = Source.objects.filter(kind=kind) if kind else Source.objects.all()
    names = [
        f"{s.kind}:{s.name}" for s in known.order_by("-last_seen")[:SOURCES_COMPARED]
    ]
    return _unknown("unknown_source", "source", f"{kind}:{word}", names)


def _unknown(code: str, name: str, value: str, known: list[str]) -> Problem:
    nearest = get_close_matches(value, known, n=1) or [""]
    params = {
        "value": shown(value),
        "nearest": nearest[0],
        "allowed": known if code == "unknown_metric" else known[:SOURCES_SHOWN],
    }
    return Problem(code=code, field=name, params=params)
