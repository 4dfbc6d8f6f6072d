"""The form of an alert rule: the checks of the API, with lists to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from common.messages import render
from common.problems import Problem
from monitoring.alerts.models import AlertRule, NotificationChannel
from monitoring.alerts.sentences import (
    AGGREGATES,
    duration,
    rule_description,
    rule_name,
)
from monitoring.alerts.validation import known_sources, problems
from monitoring.history.aggregation.aggregates import ALLOWED, DEFAULT
from monitoring.history.params import AGGREGATES as AGGREGATE_NAMES
from monitoring.labels import label, unit
from monitoring.metrics import METRICS, SourceKind
from monitoring.panels import kind_labels

Choices = list[tuple[Any, Any]]

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
WINDOWS_S = (10, 30, 60, 120, 300, 600, 900, 1800, 3600)
WAITS_S = (0, 30, 60, 120, 300, 600, 900, 1800, 3600, 6 * HOUR_S, DAY_S)
REPEATS_S = (0, HOUR_S, 4 * HOUR_S, 12 * HOUR_S, DAY_S, 7 * DAY_S)
KINDS: tuple[SourceKind, ...] = ("gpu", "model", "host", "platform")


class DurationField(forms.TypedChoiceField):
    """A list of durations, and the one that the rule has."""

    def __init__(self, seconds: Iterable[int], **options: Any) -> None:
        self.seconds = tuple(seconds)
        super().__init__(
            choices=self.choices_with(None),
            coerce=int,
            widget=UnfoldAdminSelectWidget,
            **options,
        )

    def choices_with(self, current: int | None) -> Callable[[], Choices]:
        known = sorted({*self.seconds, *([] if current is None else [current])})
        return lambda: [(s, duration(s) if s else _("none")) for s in known]


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    metric = forms.ChoiceField(
        label=_("Metric"), choices=lambda: _metrics(), widget=UnfoldAdminSelectWidget
    )
    aggregate = forms.ChoiceField(
        label=_("Aggregate"),
        choices=lambda: [
            (name, AGGREGATES.get(name, name)) for name in AGGREGATE_NAMES
        ],
        widget=UnfoldAdminSelectWidget,
    )
    window_s = DurationField(
        WINDOWS_S, label=_("Window"), initial=60,
        help_text=_("The aggregate is computed over this time."),
    )  # fmt: skip
    for_s = DurationField(
        WAITS_S, label=_("For"), initial=0,
        help_text=_("The condition must hold for so long before the rule fires."),
    )  # fmt: skip
    keep_firing_for_s = DurationField(
        WAITS_S, label=_("Keep firing for"), initial=0,
        help_text=_("The condition must be over for so long before the alert ends."),
    )  # fmt: skip
    repeat_interval_s = DurationField(
        REPEATS_S, label=_("Reminders every"), initial=4 * HOUR_S,
        help_text=_("Until the alert ends or somebody acknowledges it."),
    )  # fmt: skip
    scope = forms.MultipleChoiceField(
        label=_("Only for"),
        required=False,
        choices=lambda: _sources(),
        widget=UnfoldAdminSelectMultipleWidget({"size": 6}),
        help_text=_("Nothing selected: all that have the metric."),
    )
    channels = forms.ModelMultipleChoiceField(
        NotificationChannel.objects.all(),
        label=_("Channels"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = AlertRule
        fields = (
            "name", "description", "enabled", "severity", "metric", "aggregate",
            "window_s", "comparison", "threshold", "clear_threshold", "for_s",
            "keep_firing_for_s", "min_count", "scope", "channels", "repeat_interval_s",
        )  # fmt: skip
        widgets = {"description": UnfoldAdminTextareaWidget({"rows": 2})}
        help_texts = {
            "min_count": _(
                "With fewer observations or requests in the window, there are no data."
            )
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.translated = _translated(self.instance)
        self.initial.update(self.translated)
        for name, field in self.fields.items():
            if isinstance(field, DurationField):
                field.choices = field.choices_with(getattr(self.instance, name))
        scope = self.fields.get("scope")
        if isinstance(scope, forms.MultipleChoiceField):
            # Sources that are gone stay until somebody removes them.
            scope.choices = _sources(self.instance.scope)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        existing = self.instance if self.instance.pk else None
        for name, text in self.translated.items():
            if cleaned.get(name) == text:
                cleaned[name] = getattr(existing, name)
        fields = {
            name: [channel.pk for channel in value] if name == "channels" else value
            for name, value in cleaned.items()
        }
        for problem in problems(fields, instance=existing):
            if problem.field in self.fields and problem.field not in self.errors:
                self.add_error(problem.field, _error(problem))
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """The check of names is one of problems()."""
        return {*super()._get_validation_exclusions(), "name"}  # type: ignore[misc]


def _translated(rule: AlertRule) -> dict[str, str]:
    """Texts of a default rule as they are shown; they are kept unless changed."""
    if not rule.preset:
        return {}
    return {"name": rule_name(rule), "description": rule_description(rule)}


def aggregates_by_metric() -> dict[str, dict[str, Any]]:
    """For the script of the form."""
    return {
        name: {
            "kind": metric.source,
            "unit": metric.unit,
            "symbol": unit(name),
            "aggregates": ALLOWED[metric.kind],
            "default": DEFAULT[metric.kind],
        }
        for name, metric in METRICS.items()
    }


def _metrics() -> Choices:
    labels = kind_labels()
    return [
        (
            labels[kind],
            [(n, label(n)) for n, metric in METRICS.items() if metric.source == kind],
        )
        for kind in KINDS
    ]


def _sources(known: Iterable[str] = ()) -> Choices:
    labels, missing = kind_labels(), set(known)
    groups: Choices = []
    for kind in KINDS:
        found = known_sources(kind)
        missing -= found.keys()
        if found:
            groups.append((labels[kind], list(found.items())))
    if missing:
        groups.append((_("Gone"), [(text, text) for text in sorted(missing)]))
    return groups


def _error(problem: Problem) -> forms.ValidationError:
    text = render(problem.code, problem.params)
    return forms.ValidationError(text, code=problem.code)
