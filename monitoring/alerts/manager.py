"""Evaluates all rules, once a second in the monitor, and writes what changes.

States are in memory and in the rows of open alerts: a restart goes on where they were.
A step that fails, because the database is away, changes nothing and is repeated.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import Max

from common import clock
from monitoring.alerts import outbox
from monitoring.alerts.enums import AlertState, RuleState
from monitoring.alerts.evaluation.states import OK, Condition, Event, State, step
from monitoring.alerts.evaluation.windows import SourceKey, Windows
from monitoring.alerts.models import Alert, AlertRule
from monitoring.alerts.rows import (
    OBSERVED,
    condition_of,
    copy_state,
    end_alert,
    new_alert,
    open_alerts,
    scope_of,
    source_of,
    state_of,
)
from monitoring.alerts.series import SeriesReader
from monitoring.history.recorder import Recorder
from monitoring.metrics import METRICS, Metric

# A pending alert that nobody has evaluated for longer starts again.
PENDING_TOLERANCE_S = 3600
# Peaks and last values of alerts that only go on
WRITE_S = 10.0
# A larger difference from the clock that cannot jump is a jump of the wall clock.
JUMP_S = 5.0

Key = tuple[int, SourceKey]  # rule and series


@dataclass(slots=True)
class Change:
    rule: AlertRule
    source: SourceKey
    name: str
    before: State
    after: State
    event: Event | None


@dataclass(slots=True)
class Rule:
    row: AlertRule
    metric: Metric
    condition: Condition
    scope: frozenset[SourceKey]

    def applies_to(self, metric: str, source: SourceKey) -> bool:
        return metric == self.row.metric and (not self.scope or source in self.scope)


class Manager:
    """metrics: evaluates only rules of these; None: of all. details: by metric, what
    the value is about."""

    def __init__(self, metrics: frozenset[str] | None = None) -> None:
        self.metrics = metrics
        self.windows = Windows()
        self.series = SeriesReader(self.windows)
        self.rules: list[Rule] = []
        self.states: dict[Key, State] = {}
        self.details: dict[str, str] = {}
        self.loaded: tuple[object, ...] | None = None
        self.restored = False
        self.written_at = 0.0
        self.offset = time.time() - clock.uptime()

    def step(self, recorder: Recorder | None = None) -> bool:
        """Whether anything was written. Raises DatabaseError."""
        now = time.time()
        self.follow_clock(now)
        self._load(now)
        self.series.update(recorder, now)
        return self._evaluate_rules(now)

    def evaluate(self, now: float) -> bool:
        """Like step(), without new readings."""
        self._load(now)
        return self._evaluate_rules(now)

    def _load(self, now: float) -> None:
        self._load_rules()
        if not self.restored:
            self._restore(now)

    def _evaluate_rules(self, now: float) -> bool:
        self._index_open()
        states: dict[Key, State] = {}
        changes: list[Change] = []
        for rule in self.rules:
            for source in self._sources(rule):
                self._evaluate(rule, source, now, states, changes)
        written = self._write(changes, states, now)
        self.states = states
        return written

    def _evaluate(
        self,
        rule: Rule,
        source: SourceKey,
        now: float,
        states: dict[Key, State],
        changes: list[Change],
    ) -> None:
        row, key = rule.row, (rule.row.pk, source)
        reading = self.windows.read(
            source, rule.metric, row.aggregate, row.window_s, int(now)
        )
        enough = reading is not None and reading.count >= row.min_count
        value = reading.value if reading and enough else None
        before = self.states.get(key, OK)
        after, event = step(rule.condition, before, value, now)
        states[key] = after
        if after is before:
            return
        has_alert = after.since is not None or before.since is not None
        if has_alert and (event or after.phase != before.phase):
            name = self.windows.names.get(source, source[1])
            changes.append(Change(row, source, name, before, after, event))

    def _index_open(self) -> None:
        self.open_sources: dict[int, list[SourceKey]] = {}
        for (pk, source), state in self.states.items():
            if state.since is not None:
                self.open_sources.setdefault(pk, []).append(source)

    def _sources(self, rule: Rule) -> Iterable[SourceKey]:
        """Measured ones, and those of open alerts."""
        measured = self.windows.sources(rule.metric.source)
        if rule.scope:
            measured = [source for source in measured if source in rule.scope]
        return dict.fromkeys([*measured, *self.open_sources.get(rule.row.pk, ())])

    def _load_rules(self) -> None:
        """Only when one has changed. A rule that is edited keeps its states; alerts of
        one that is disabled or deleted, or whose metric changed, end."""
        rows = AlertRule.objects.all()
        version = (rows.count(), *rows.aggregate(Max("updated_at"), Max("pk")).values())
        if version == self.loaded:
            return
        rules = [
            Rule(row, METRICS[row.metric], condition_of(row), scope_of(row))
            for row in rows.filter(enabled=True)
            if row.metric in METRICS
            and (self.metrics is None or row.metric in self.metrics)
        ]
        by_pk = {rule.row.pk: rule for rule in rules}
        self._end_orphans(by_pk)
        self.states = {k: s for k, s in self.states.items() if k[0] in by_pk}
        self.rules, self.loaded = rules, version
        self.series.keep(max((rule.row.window_s for rule in rules), default=0))

    def _end_orphans(self, rules: dict[int, Rule]) -> None:
        """Not sent: somebody has decided that it does not matter any more."""
        if self.metrics is not None:
            return
        for alert in Alert.objects.filter(state__in=AlertState.OPEN):
            source = source_of(alert)
            rule = rules.get(alert.rule_id or 0)
            if rule and rule.applies_to(alert.metric, source):
                continue
            self.states.pop((alert.rule_id or 0, source), None)
            if alert.fired_at is None:
                alert.delete()
            else:
                end_alert(alert, time.time())
                alert.save(update_fields=["state", "ended_at"])

    def _restore(self, now: float) -> None:
        rules = {rule.row.pk for rule in self.rules}
        for alert in Alert.objects.filter(state__in=AlertState.OPEN, rule__in=rules):
            idle = now - alert.evaluated_at.timestamp()
            if alert.state == AlertState.PENDING and idle > PENDING_TOLERANCE_S:
                alert.delete()
            elif alert.rule_id:
                self.states[alert.rule_id, source_of(alert)] = state_of(alert)
        self.restored = True

    def follow_clock(self, now: float) -> None:
        """A wall clock that jumps moves the states with it: durations stay."""
        jump = now - clock.uptime() - self.offset
        if abs(jump) > JUMP_S:
            self.offset += jump
            self.states = {k: _shifted(s, jump) for k, s in self.states.items()}

    def _write(
        self, changes: list[Change], states: dict[Key, State], now: float
    ) -> bool:
        refresh = now - self.written_at >= WRITE_S or now < self.written_at
        if not changes and not refresh:
            return False
        with transaction.atomic():
            events = [
                (alert, change.event)
                for change in changes
                if (alert := self._save(change, now)) and change.event
            ]
            outbox.enqueue(events)
            if refresh:
                self._save_values(states, now)
                self._save_rule_states(states)
                outbox.enqueue_reminders()
        if refresh:
            self.written_at = now
        return True

    def _save(self, change: Change, now: float) -> Alert | None:
        """None: there is no alert."""
        # Another process may be ending it: only one of them then sends that.
        rows = open_alerts(change.rule.pk, change.source).select_for_update()
        alert = rows.first()
        if change.after.since is None and change.event is None:
            if alert is not None and alert.fired_at is None:
                alert.delete()
            return None
        if alert is None and change.event == "resolved":
            return None  # another process has ended it
        alert = alert or new_alert(change.rule, change.source, change.name)
        copy_state(change.after if change.after.since else change.before, alert, now)
        if change.event == "resolved":
            end_alert(alert, now)
        elif change.event == "firing":
            alert.detail = self.details.get(change.rule.metric, "")
        # Not what people may write at the same time
        alert.save(update_fields=OBSERVED if alert.pk else None)
        return alert

    def _save_values(self, states: dict[Key, State], now: float) -> None:
        alerts = list(Alert.objects.filter(state__in=AlertState.OPEN))
        changed = []
        for alert in alerts:
            state = states.get((alert.rule_id or 0, source_of(alert)))
            if state is not None and state.since is not None:
                copy_state(state, alert, now)
                changed.append(alert)
        fields = ["value", "peak", "clear_since", "no_data_since", "evaluated_at"]
        Alert.objects.bulk_update(changed, fields)

    def _save_rule_states(self, states: dict[Key, State]) -> None:
        phases: dict[int, set[str]] = {}
        for (pk, _source), state in states.items():
            phases.setdefault(pk, set()).add(state.phase)
        for rule in self.rules:
            worst = _worst(phases.get(rule.row.pk, set()))
            if worst != rule.row.state:
                rule.row.state = worst
                AlertRule.objects.filter(pk=rule.row.pk).update(state=worst)


def _worst(phases: set[str]) -> str:
    """Without any series there are no data."""
    order = (RuleState.FIRING, RuleState.PENDING, RuleState.OK)
    return next((phase for phase in order if phase in phases), RuleState.NO_DATA)


def _shifted(state: State, seconds: float) -> State:
    def moved(at: float | None) -> float | None:
        return None if at is None else at + seconds

    return replace(
        state,
        since=moved(state.since),
        fired_at=moved(state.fired_at),
        clear_since=moved(state.clear_since),
        no_data_since=moved(state.no_data_since),
    )
