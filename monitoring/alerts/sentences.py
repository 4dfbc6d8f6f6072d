"""Rules and alerts as sentences, in the reader's language. Names are values in these
sentences, never a part of their templates."""

from __future__ import annotations

import re

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from monitoring.alerts.enums import Comparison
from monitoring.alerts.models import Alert, AlertRule
from monitoring.alerts.presets import translated
from monitoring.history.sources import names_of
from monitoring.labels import label, unit
from monitoring.metrics import METRICS

# 1 where something is the case, else 0
FLAGS = frozenset({"gpu_unavailable", "model_error", "history_paused"})
CONDITIONS: dict[str, Promise] = {
    ">": gettext_lazy("%(metric)s above %(threshold)s"),
    ">=": gettext_lazy("%(metric)s at or above %(threshold)s"),
    "<": gettext_lazy("%(metric)s below %(threshold)s"),
    "<=": gettext_lazy("%(metric)s at or below %(threshold)s"),
}
ANY: dict[str, Promise] = {
    "gpu": gettext_lazy("any GPU"),
    "host": gettext_lazy("any machine"),
    "model": gettext_lazy("any model"),
}
AGGREGATES: dict[str, Promise] = {
    "avg": gettext_lazy("average"),
    "min": gettext_lazy("minimum"),
    "max": gettext_lazy("maximum"),
    "rate": gettext_lazy("per second"),
    "sum": gettext_lazy("total"),
}
PERIODS = (
    (86_400, gettext_lazy("%(count)s day"), gettext_lazy("%(count)s days")),
    (3600, gettext_lazy("%(count)s hour"), gettext_lazy("%(count)s hours")),
    (60, gettext_lazy("%(count)s minute"), gettext_lazy("%(count)s minutes")),
    (1, gettext_lazy("%(count)s second"), gettext_lazy("%(count)s seconds")),
)
BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
CHINESE = "[\u3000-\u9fff\uff00-\uffef]"
# Of a rule over a window no longer than this, the window is not worth mentioning.
SHORT_WINDOW_S = 60
SCOPE_SHOWN = 3


def rule_name(subject: AlertRule | Alert) -> str:
    """Translated while it is that of a default rule."""
    name = subject.name if isinstance(subject, AlertRule) else subject.rule_name
    return translated(subject.preset, "name", name)


def rule_description(rule: AlertRule) -> str:
    return translated(rule.preset, "description", rule.description)


def rule_sentence(rule: AlertRule, names: dict[str, str] | None = None) -> str:
    """ "GPU temperature above 80 °C for 2 minutes on any GPU". names: of the sources in
    its scope, by "kind:key"; None: looked up."""
    parts = {"condition": _condition(rule), "scope": _scope(rule, names)}
    if not rule.for_s and not parts["scope"]:
        return parts["condition"]
    parts["duration"] = duration(rule.for_s)
    if not rule.for_s:
        return _("%(condition)s on %(scope)s") % parts
    if not parts["scope"]:
        return _("%(condition)s for %(duration)s") % parts
    return _("%(condition)s for %(duration)s on %(scope)s") % parts


def alert_sentence(alert: Alert) -> str:
    """ "GPU temperature of 0 H100 is 84 °C (threshold 80 °C)" """
    metric = alert.metric
    parts = {
        "metric": measured(metric, alert.aggregate),
        "source": alert.source_name,
        "value": quantity(metric, alert.aggregate, alert.value),
        "threshold": quantity(metric, alert.aggregate, alert.threshold),
    }
    has_source = alert.source_kind in ANY
    if metric in FLAGS:
        return _("%(metric)s: %(source)s") % parts if has_source else parts["metric"]
    if alert.value is None:
        return _("%(metric)s of %(source)s is unknown") % parts
    if not has_source:
        return _("%(metric)s is %(value)s (threshold %(threshold)s)") % parts
    return _("%(metric)s of %(source)s is %(value)s (threshold %(threshold)s)") % parts


def backtest_sentence(days: int, fired: int, seconds: float, resolution_s: int) -> str:
    """ "In the last 7 days this rule would have fired 3 times, 41 minutes in all." """
    parts = {
        "period": duration(days * 86_400),
        "count": fired,
        "duration": duration(seconds),
        "resolution": duration(resolution_s),
    }
    if fired == 0:
        text = _("In the last %(period)s this rule would not have fired.")
    elif fired == 1:
        text = _(
            "In the last %(period)s this rule would have fired once, for %(duration)s."
        )
    else:
        text = _(
            "In the last %(period)s this rule would have fired %(count)s times,"
            " %(duration)s in all."
        )
    sentence = text % parts
    if resolution_s <= SHORT_WINDOW_S:
        return sentence
    hint = _("Only values over %(resolution)s are still known.") % parts
    return f"{sentence} {hint}"


def duration(seconds: float) -> str:
    """In the largest unit that divides it, or nearly so."""
    whole = round(seconds)
    for size, one, many in PERIODS:
        if whole >= size and (whole % size == 0 or whole >= 3 * size):
            count = whole // size
            return str(one if count == 1 else many) % {"count": count}
    return str(PERIODS[-1][2]) % {"count": whole}


def quantity(metric: str, aggregate: str, value: float | None) -> str:
    """A value of a metric with its unit."""
    if value is None:
        return "–"
    known = METRICS.get(metric)
    if known is None:
        return _number(value)
    symbol = unit(metric, aggregate)
    if symbol == "s" and abs(value) >= SHORT_WINDOW_S:
        return duration(value)
    size, per_second = symbol.removesuffix("/s"), "/s" * symbol.endswith("/s")
    while size in BINARY[:-1] and abs(value) >= 1024:
        value, size = value / 1024, BINARY[BINARY.index(size) + 1]
    symbol = f"{size}{per_second}"
    gap = "" if symbol in ("", "%") else " "
    return f"{_number(value)}{gap}{symbol}"


def _number(value: float) -> str:
    """At most three significant digits of fractions; all of whole numbers."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _condition(rule: AlertRule) -> str:
    metric = measured(rule.metric, rule.aggregate, rule.window_s)
    above = rule.comparison in (Comparison.GT, Comparison.GE)
    if rule.metric in FLAGS and above:
        return metric
    threshold = quantity(rule.metric, rule.aggregate, rule.threshold)
    parts = {"metric": metric, "threshold": threshold}
    return _set(str(CONDITIONS[rule.comparison]) % parts)


def measured(metric: str, aggregate: str, window_s: int = 0) -> str:
    """With the aggregate and a long window, where they say something."""
    known = METRICS.get(metric)
    if known is None:
        return metric
    is_short = window_s <= SHORT_WINDOW_S
    is_plain = known.kind in ("gauge", "ratio") and (aggregate == "avg" or is_short)
    parts = {
        "metric": label(metric),
        "aggregate": str(AGGREGATES.get(aggregate, aggregate)),
        "window": duration(window_s),
    }
    if is_short:
        return parts["metric"] if is_plain else _("%(metric)s (%(aggregate)s)") % parts
    return _set(_("%(metric)s (%(aggregate)s over %(window)s)") % parts)


def _set(text: str) -> str:
    """Chinese has no spaces between its characters; names of people's are not in
    here."""
    return re.sub(f"(?<={CHINESE}) (?={CHINESE})", "", text)


def _scope(rule: AlertRule, names: dict[str, str] | None) -> str:
    if not rule.scope:
        known = METRICS.get(rule.metric)
        return str(ANY.get(known.source, "")) if known else ""
    known_names = names_of(rule.scope) if names is None else names
    shown = [known_names.get(text, text) for text in rule.scope[:SCOPE_SHOWN]]
    if more := len(rule.scope) - len(shown):
        return _("%(names)s and %(count)s more") % {
            "names": ", ".join(shown),
            "count": more,
        }
    return ", ".join(shown)
