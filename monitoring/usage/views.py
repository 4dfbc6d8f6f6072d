"""The page of usage. Its query parameters are those of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from common.exceptions import Invalid
from common.messages import render
from monitoring.panels import MAX_LINES, page_data, range_labels
from monitoring.usage.ledger import HOUR_S
from monitoring.usage.params import DEFAULT_RANGE, TIMES, UsageQuery, parse_query
from monitoring.usage.query import DAY_S, Records, Row, grouped, select, shown, totals

MAX_ROWS = 200
HOURLY_S = 2 * DAY_S  # longer charts are by day


def usage(request: HttpRequest) -> HttpResponse:
    problem = ""
    raw = {name: texts for name, texts in request.GET.lists() if any(texts)}
    try:
        query = parse_query({name: list(map(str, raw[name])) for name in raw})
    except Invalid as error:
        problem = render(error.problems[0].code, error.problems[0].params)
        raw, query = {}, parse_query({})
    records = select(query, request.user)
    rows = list(shown(grouped(query, records)[:MAX_ROWS], query.groups))
    sums = totals(records)
    counts = ("total_tokens", "requests", *(["cost"] if sums["cost"] else []))
    context = {
        **admin.site.each_context(request),
        "title": _("Usage"),
        "problem": problem,
        "ranges": range_labels(),
        "range": _chosen_range(raw),
        "groups": _group_labels(),
        "group": query.groups[0],
        "subjects": {name: ",".join(raw.get(name, [])) for name in _subject_labels()},
        "labels": _subject_labels(),
        "rows": [{"key": _key_of(row, query), **row} for row in rows],
        "totals": sums,
        "currency": settings.CURRENCY,
        "is_cut": len(rows) == MAX_ROWS,
        "formats": ("csv", "json", "xlsx"),
        "parameters": request.GET.urlencode() if raw else "",
        "monitoring": {**page_data([]), "charts": _charts(query, records, counts)},
    }
    return TemplateResponse(request, "monitoring/usage.html", context)


def _chosen_range(raw: Mapping[str, Sequence[object]]) -> str:
    has_times = any(raw.get(name) for name in TIMES)
    return str(raw.get("range", ["" if has_times else DEFAULT_RANGE])[-1])


def _group_labels() -> dict[str, str]:
    return {**_subject_labels(), "day": _("Day"), "hour": _("Hour")}


def _subject_labels() -> dict[str, str]:
    return {"model": _("Model"), "user": _("User"), "token": _("API token")}


def _key_of(row: Row, query: UsageQuery) -> str:
    keys = (row[name] for name in query.groups)
    return " · ".join(key["name"] if isinstance(key, dict) else key for key in keys)


def _charts(
    query: UsageQuery, records: Records, counts: Sequence[str]
) -> list[dict[str, Any]]:
    """Lines by model, those with the most tokens first."""
    most = grouped(replace(query, groups=("model",)), records)[:MAX_LINES]
    labels = {
        row["model"]["id"]: row["model"]["name"] for row in shown(most, ["model"])
    }
    step = "hour" if query.end - query.start <= HOURLY_S else "day"
    by_time = replace(query, groups=(step, "model"))
    of_them = records.filter(model_id__in=labels)
    rows = list(shown(grouped(by_time, of_them), by_time.groups))
    times = _hours(query) if step == "hour" else _days(query)
    values = {(_seconds(row[step]), row["model"]["id"]): row for row in rows}
    return [_chart(name, times, labels, values) for name in counts]


def _hours(query: UsageQuery) -> list[int]:
    return list(range(query.start, query.end, HOUR_S))


def _days(query: UsageQuery) -> list[int]:
    """Midnights of the server's time zone; none before anything was kept."""
    zone = ZoneInfo(settings.TIME_ZONE)
    start = max(query.start, query.end - settings.USAGE_DAYS * DAY_S)
    first, last = (datetime.fromtimestamp(at, zone) for at in (start, query.end - 1))
    days = range((last.date() - first.date()).days + 1)
    return [_seconds(f"{first.date() + timedelta(days=day)}") for day in days]


def _chart(
    count: str,
    times: list[int],
    labels: Mapping[int, str],
    values: Mapping[tuple[int, int], Row],
) -> dict[str, Any]:
    lines = [
        {
            "label": label,
            "values": [_count(values.get((at, id)), count) for at in times],
        }
        for id, label in labels.items()
    ]
    return {"id": count, "times": times, "lines": lines}


def _count(row: Row | None, count: str) -> float:
    return row[count] if row else 0


def _seconds(text: str) -> int:
    """text: a day or an hour as the API shows it."""
    moment = datetime.fromisoformat(text)
    zone = ZoneInfo(settings.TIME_ZONE)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())
