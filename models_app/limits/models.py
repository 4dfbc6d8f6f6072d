"""Limits of inference: how much a token, a user, a group or a model may take."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, Q
from django.utils.translation import gettext_lazy as _

MAX_REQUESTS = 10**9
MAX_TOKENS = 10**15
MAX_PLACES = 100_000
MAX_WAIT_S = 3600
MAX_WEIGHT = 100
SUBJECTS = {
    "token": _("API token"),
    "user": _("user"),
    "group": _("group"),
    "model": _("model"),
}
# Fields with a number, with their least and greatest value
RANGES = {
    "requests_per_minute": (1, MAX_REQUESTS),
    "tokens_per_minute": (1, MAX_TOKENS),
    "tokens_per_day": (1, MAX_TOKENS),
    "tokens_per_month": (1, MAX_TOKENS),
    "max_in_flight": (1, MAX_PLACES),
    "queue_length": (1, MAX_PLACES),
    "queue_wait_s": (1, MAX_WAIT_S),
    "priority": (1, 10),
    "weight": (1, MAX_WEIGHT),
}


def _exactly_one_subject() -> Q:
    """The databases have no exclusive or of more than two conditions."""
    condition = Q()
    for subject in SUBJECTS:
        condition |= Q(**{f"{name}__isnull": name != subject for name in SUBJECTS})
    return condition


def _subject(to: str, subject: str) -> Any:
    return models.OneToOneField(
        to, models.CASCADE, null=True, blank=True, related_name="limit",
        verbose_name=SUBJECTS[subject],
    )  # fmt: skip


def _number(name: str, label: Any, help_text: Any = "") -> Any:
    low, high = RANGES[name]
    kind = models.BigIntegerField if high > MAX_REQUESTS else models.IntegerField
    return kind(
        label, null=True, blank=True, help_text=help_text,
        validators=[MinValueValidator(low), MaxValueValidator(high)],
    )  # fmt: skip


class Limit(models.Model):
    """What one token, user, group or model may take. Null: not limited."""

    token = _subject("models_app.ApiToken", "token")
    user = _subject(settings.AUTH_USER_MODEL, "user")
    group = _subject("auth.Group", "group")
    model = _subject("models_app.ServedModel", "model")

    requests_per_minute = _number("requests_per_minute", _("requests per minute"))
    tokens_per_minute = _number("tokens_per_minute", _("tokens per minute"))
    tokens_per_day = _number("tokens_per_day", _("tokens per day"))
    tokens_per_month = _number("tokens_per_month", _("tokens per month"))
    max_in_flight = _number(
        "max_in_flight", _("requests in flight"),
        _("A list of prompts and n count as that many."),
    )  # fmt: skip
    queue_length = _number(
        "queue_length", _("queue length"),
        _(
            "Requests that wait while the model has as many in flight as it may. If"
            " empty, there is no queue."
        ),
    )  # fmt: skip
    queue_wait_s = _number(
        "queue_wait_s", _("longest wait (s)"),
        _("Of a request in the queue. If empty, 60 seconds."),
    )  # fmt: skip
    priority = _number(
        "priority", _("priority"),
        _("In the queues of models: 1 to 10; 10 is served first. If empty, 5."),
    )  # fmt: skip
    weight = _number(
        "weight", _("weight"),
        _(
            "In the queues of models: a token of weight 2 is served twice as often as"
            " one of weight 1. If empty, 1."
        ),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("limit")
        verbose_name_plural = _("limits")
        ordering = ("pk",)
        constraints = [
            CheckConstraint(condition=_exactly_one_subject(), name="limit_one_subject"),
            CheckConstraint(
                condition=Q(queue_length=None) | Q(max_in_flight__isnull=False),
                name="limit_queue_needs_in_flight",
            ),
            *(
                CheckConstraint(
                    condition=Q(**{name: None}) | Q(**{f"{name}__range": bounds}),
                    name=f"limit_{name}_in_range",
                )
                for name, bounds in RANGES.items()
            ),
        ]

    def __str__(self) -> str:
        return f"{SUBJECTS[self.subject]} {self.subject_name}"

    @property
    def subject(self) -> str:
        columns = {name: getattr(self, f"{name}_id") for name in SUBJECTS}
        return next((name for name, key in columns.items() if key is not None), "model")

    @property
    def subject_name(self) -> str:
        """Of a token: how it begins, which is unique."""
        if self.token is not None:
            return f"{self.token.name} ({self.token.token_key}…)"
        named = self.user or self.group or self.model
        return str(getattr(named, "username", getattr(named, "name", "")))
