"""Rules and alerts as rows, and as the evaluator sees them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast, overload

from django.db.models import QuerySet

from monitoring.alerts.enums import AlertState
from monitoring.alerts.evaluation.states import Condition, Phase, State
from monitoring.alerts.evaluation.windows import SourceKey
from monitoring.alerts.models import Alert, AlertRule
from monitoring.history.aggregation.aggregates import DECIMALS

# What the evaluation writes of an alert; the rest is people's, or the outbox's
OBSERVED = (
    "state", "started_at", "fired_at", "clear_since", "no_data_since", "ended_at",
    "value", "peak", "detail", "evaluated_at",
)  # fmt: skip


def condition_of(rule: AlertRule) -> Condition:
    clear = rule.clear_threshold
    return Condition(
        comparison=rule.comparison,
        threshold=rule.threshold,
        clear=rule.threshold if clear is None else clear,
        for_s=rule.for_s,
        keep_firing_for_s=rule.keep_firing_for_s,
    )


def scope_of(rule: AlertRule) -> frozenset[SourceKey]:
    pairs = (text.partition(":") for text in rule.scope)
    return frozenset((kind, key) for kind, _colon, key in pairs)


def state_of(alert: Alert) -> State:
    """Of an open alert."""
    return State(
        phase=cast("Phase", alert.state),
        since=alert.started_at.timestamp(),
        fired_at=_seconds(alert.fired_at),
        clear_since=_seconds(alert.clear_since),
        no_data_since=_seconds(alert.no_data_since),
        value=alert.value,
        peak=alert.peak,
    )


def open_alerts(rule: int, source: SourceKey) -> QuerySet[Alert]:
    return Alert.objects.filter(
        rule_id=rule,
        source_kind=source[0],
        source_key=source[1],
        state__in=AlertState.OPEN,
    )


def new_alert(rule: AlertRule, source: SourceKey, name: str) -> Alert:
    """Not saved."""
    return Alert(
        rule=rule,
        rule_name=rule.name,
        preset=rule.preset,
        metric=rule.metric,
        aggregate=rule.aggregate,
        comparison=rule.comparison,
        threshold=rule.threshold,
        severity=rule.severity,
        source_kind=source[0],
        source_key=source[1],
        source_name=name,
    )


def copy_state(state: State, alert: Alert, now: float) -> None:
    alert.state = AlertState(state.phase)
    alert.started_at = _moment(state.since or now)
    alert.fired_at = _moment(state.fired_at)
    alert.clear_since = _moment(state.clear_since)
    alert.no_data_since = _moment(state.no_data_since)
    alert.value, alert.peak = _rounded(state.value), _rounded(state.peak)
    alert.evaluated_at = _moment(now)


def end_alert(alert: Alert, now: float) -> None:
    alert.state, alert.ended_at = AlertState.RESOLVED, _moment(now)


def source_of(alert: Alert) -> SourceKey:
    return alert.source_kind, alert.source_key


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS)


@overload
def _moment(seconds: float) -> datetime: ...
@overload
def _moment(seconds: float | None) -> datetime | None: ...
def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
