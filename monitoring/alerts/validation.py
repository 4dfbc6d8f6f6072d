"""What may be saved as an alert rule: one set of rules for API, admin and backtest."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from common.problems import Problem, as_json, out_of_range, shorten, wrong_type
from models_app.models import ServedModel
from monitoring.alerts.enums import Comparison, Severity
from monitoring.alerts.evaluation.windows import MAX_WINDOW_S, WIDTH_S
from monitoring.alerts.models import AlertRule, NotificationChannel
from monitoring.history.aggregation.aggregates import ALLOWED
from monitoring.history.params import SOURCES_SHOWN, unknown_metric, unsupported
from monitoring.metrics import METRICS
from monitoring.models import Source

DAY_S = 86_400
# Fields that are whole numbers, with their least and greatest value
RANGES = {
    "window_s": (WIDTH_S, MAX_WINDOW_S),
    "for_s": (0, 7 * DAY_S),
    "keep_firing_for_s": (0, 7 * DAY_S),
    "min_count": (0, 1_000_000_000),
    "repeat_interval_s": (0, 30 * DAY_S),
}
MAX_SCOPE = 500
# Texts end up in messages of other programs, which may have template languages.
TEMPLATE_SYNTAX = ("{{", "{%", "{#", "${", "%(", "<%")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
LINE_BREAKS = str.maketrans("", "", "\r\n\t")
CHECKED = (
    "name", "description", "metric", "aggregate", "comparison", "threshold",
    "clear_threshold", "severity", "scope", "channels", *RANGES,
)  # fmt: skip


def problems(
    fields: Mapping[str, Any], *, instance: AlertRule | None = None
) -> list[Problem]:
    """What is wrong with a new rule, or with instance once fields are changed.
    channels: ids. Sources and channels that the rule has already are not checked again:
    it can be edited after they are gone."""
    before = instance or AlertRule()
    rule = {
        name: fields.get(name, getattr(before, name))
        for name in CHECKED
        if name != "channels"
    }
    found = [*_texts(fields, rule, before), *_measurement(rule), *_choices(rule)]
    found += [*_numbers(rule), *_clear_threshold(rule)]
    found += _scope(rule, set(before.scope))
    if "channels" in fields:
        found += _channels(fields["channels"])
    return found


def text_problems(field: str, text: str, *, lines: bool = False) -> Iterator[Problem]:
    """lines: whether line breaks are allowed."""
    checked = text.translate(LINE_BREAKS) if lines else text
    syntax = next((each for each in TEMPLATE_SYNTAX if each in text), "")
    control = CONTROL.search(checked)
    if syntax or control:
        wrong = syntax or as_json(control.group() if control else "")
        params = {"key": field, "value": wrong, "allowed": list(TEMPLATE_SYNTAX)}
        yield Problem(code="alert_text_invalid", field=field, params=params)


def known_sources(kind: str) -> dict[str, str]:
    """Names of all sources of a kind, by "kind:key". Models count before they are
    measured for the first time."""
    rows = Source.objects.filter(kind=kind).order_by("-last_seen")
    found = {f"{row.kind}:{row.key}": row.name for row in rows}
    if kind == "model":
        models = ServedModel.objects.only("name", "display_name").order_by("name")
        found |= {f"model:{m.pk}": m.display_name or m.name for m in models}
    return found


def name_taken(name: str) -> Problem:
    return Problem(code="rule_name_taken", field="name", params={"value": name})


def _texts(
    fields: Mapping[str, Any], rule: Mapping[str, Any], before: AlertRule
) -> Iterator[Problem]:
    if "name" in fields:
        yield from text_problems("name", rule["name"])
        others = AlertRule.objects.exclude(pk=before.pk)
        if others.filter(name=rule["name"]).exists():
            yield name_taken(rule["name"])
    if "description" in fields:
        yield from text_problems("description", rule["description"], lines=True)


def _measurement(rule: Mapping[str, Any]) -> Iterator[Problem]:
    if rule["metric"] not in METRICS:
        yield unknown_metric(rule["metric"])
        return
    metric = METRICS[rule["metric"]]
    if rule["aggregate"] not in ALLOWED[metric.kind]:
        yield unsupported(metric, rule["aggregate"])


def _choices(rule: Mapping[str, Any]) -> Iterator[Problem]:
    for field, known in (("comparison", Comparison), ("severity", Severity)):
        if rule[field] not in known.values:
            params = {"value": shorten(str(rule[field])), "allowed": known.values}
            yield Problem(code=f"rule_unknown_{field}", field=field, params=params)


def _numbers(rule: Mapping[str, Any]) -> Iterator[Problem]:
    for name, (low, high) in RANGES.items():
        value = rule[name]
        if type(value) is not int:
            yield wrong_type(name, value, "integer")
        elif not low <= value <= high:
            yield out_of_range(name, value, low, high)
    for name in ("threshold", "clear_threshold"):
        value = rule[name]
        is_left_out = value is None and name == "clear_threshold"
        if not is_left_out and not _is_number(value):
            yield wrong_type(name, value, "finite number")


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        return is_number and math.isfinite(value)
    except OverflowError:  # an integer beyond the largest float
        return False


def _clear_threshold(rule: Mapping[str, Any]) -> Iterator[Problem]:
    threshold, clear = rule["threshold"], rule["clear_threshold"]
    if not (_is_number(threshold) and _is_number(clear)):
        return
    fires_below = rule["comparison"] in (Comparison.LT, Comparison.LE)
    if clear < threshold if fires_below else clear > threshold:
        params = {"value": clear, "threshold": threshold, "fires_below": fires_below}
        yield Problem(
            code="rule_clear_threshold", field="clear_threshold", params=params
        )


def _scope(rule: Mapping[str, Any], before: set[str]) -> Iterator[Problem]:
    scope, metric = rule["scope"], METRICS.get(rule["metric"])
    if not isinstance(scope, list) or not all(isinstance(each, str) for each in scope):
        yield wrong_type("scope", scope, "list of strings")
        return
    if len(scope) > MAX_SCOPE:
        yield out_of_range("scope", len(scope), 0, f"{MAX_SCOPE} items")
        return
    if metric is None or not scope:
        return
    wrong = [text for text in scope if text.partition(":")[0] != metric.source]
    for text in wrong[:SOURCES_SHOWN]:
        params: dict[str, Any] = {"value": shorten(text), "metric": metric.name}
        params["allowed"] = metric.source
        yield Problem(code="rule_scope_kind", field="scope", params=params)
    new = [text for text in scope if text not in before and text not in wrong]
    known = known_sources(metric.source) if new else {}
    for text in [text for text in new if text not in known][:SOURCES_SHOWN]:
        params = {"value": shorten(text), "allowed": list(known)[:SOURCES_SHOWN]}
        yield Problem(code="rule_scope_source", field="scope", params=params)


def _channels(ids: Any) -> Iterator[Problem]:
    if not isinstance(ids, list) or not all(type(each) is int for each in ids):
        yield wrong_type("channels", ids, "list of integers")
        return
    known = set(NotificationChannel.objects.values_list("pk", flat=True))
    for number in [each for each in ids if each not in known][:SOURCES_SHOWN]:
        params = {"value": number, "allowed": sorted(known)[:SOURCES_SHOWN]}
        yield Problem(code="rule_unknown_channel", field="channels", params=params)
