"""Alert rules, alerts, notification channels and deliveries."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint
from django.utils.translation import gettext_lazy as _

from common.fields import EncryptedTextField
from common.messages import reason_of
from common.models import Job, JobState, new_uid
from monitoring.alerts.enums import (
    AlertState,
    ChannelKind,
    Comparison,
    DeliveryKind,
    RuleState,
    Severity,
)
from monitoring.alerts.presets import translated


class NotificationChannel(models.Model):
    """config: what administrators may read again, by kind:
    mail: {"recipients": [address]}; webhook: {"url"}; web and apprise: {}.

    secret: of a webhook its signing secrets, of Apprise its URL; never shown again.
    """

    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=ChannelKind)
    enabled = models.BooleanField(_("enabled"), default=True)
    config = models.JSONField(default=dict, blank=True)
    secret = EncryptedTextField(blank=True, editable=False)
    # Until its receiver knows the new one, both sign.
    previous_secret = EncryptedTextField(blank=True, editable=False)
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    language = models.CharField(
        _("language"), max_length=10, choices=settings.LANGUAGES, default="zh-hans"
    )
    # Why the platform turned it off
    disabled_code = models.CharField(max_length=40, blank=True, editable=False)
    last_sent_at = models.DateTimeField(_("last message"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("notification channel")
        verbose_name_plural = _("notification channels")
        ordering = ("name",)
        constraints = [
            CheckConstraint(
                condition=Q(kind__in=ChannelKind.values), name="channel_kind_known"
            )
        ]

    def __str__(self) -> str:
        return self.name


class AlertRule(models.Model):
    """Durations are in seconds. scope: "kind:key" of sources; empty: all that have the
    metric. min_count: observations or requests below which there is no data."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    description = models.TextField(_("description"), blank=True, max_length=1000)
    # Of a default rule: its name and description are translated while they are ours.
    preset = models.CharField(max_length=40, blank=True, editable=False)
    metric = models.CharField(_("metric"), max_length=60)
    aggregate = models.CharField(_("aggregate"), max_length=10)
    window_s = models.PositiveIntegerField(_("window (s)"), default=60)
    comparison = models.CharField(
        _("comparison"), max_length=2, choices=Comparison, default=Comparison.GT
    )
    threshold = models.FloatField(_("threshold"))
    clear_threshold = models.FloatField(
        _("clear threshold"), null=True, blank=True,
        help_text=_("A firing alert ends beyond this value. If empty: the threshold."),
    )  # fmt: skip
    for_s = models.PositiveIntegerField(_("for (s)"), default=0)
    keep_firing_for_s = models.PositiveIntegerField(_("keep firing for (s)"), default=0)
    min_count = models.PositiveIntegerField(_("minimum count"), default=0)
    severity = models.CharField(
        _("severity"), max_length=10, choices=Severity, default=Severity.WARNING
    )
    scope = models.JSONField(_("scope"), default=list, blank=True)
    channels = models.ManyToManyField(
        NotificationChannel,
        blank=True,
        related_name="rules",
        verbose_name=_("channels"),
    )
    repeat_interval_s = models.PositiveIntegerField(
        _("repeat interval (s)"), default=4 * 3600,
        help_text=_("Between reminders of an alert that keeps firing. 0: none."),
    )  # fmt: skip
    enabled = models.BooleanField(_("enabled"), default=True)
    state = models.CharField(
        _("state"), max_length=10, choices=RuleState, default=RuleState.OK,
        editable=False,
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")
        ordering = ("name",)
        constraints = [
            CheckConstraint(
                condition=Q(severity__in=Severity.values), name="rule_severity_known"
            ),
            CheckConstraint(
                condition=Q(comparison__in=Comparison.values),
                name="rule_comparison_known",
            ),
        ]

    def __str__(self) -> str:
        return translated(self.preset, "name", self.name)


class Alert(models.Model):
    """One episode of one series, from pending to resolved. What its rule was then is
    copied, so that it can be read after the rule has changed or is gone.

    value: the last one. peak: the one furthest beyond the threshold.
    """

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    rule = models.ForeignKey(
        AlertRule,
        models.SET_NULL,
        null=True,
        related_name="alerts",
        verbose_name=_("rule"),
    )
    rule_name = models.CharField(_("rule"), max_length=100)
    preset = models.CharField(max_length=40, blank=True)
    metric = models.CharField(_("metric"), max_length=60)
    aggregate = models.CharField(max_length=10)
    comparison = models.CharField(max_length=2, choices=Comparison)
    threshold = models.FloatField(_("threshold"))
    severity = models.CharField(_("severity"), max_length=10, choices=Severity)
    source_kind = models.CharField(max_length=10)
    source_key = models.CharField(max_length=255)
    source_name = models.CharField(_("source"), max_length=255)
    state = models.CharField(_("state"), max_length=10, choices=AlertState)
    started_at = models.DateTimeField(_("started"))
    fired_at = models.DateTimeField(_("fired"), null=True)
    clear_since = models.DateTimeField(null=True)
    no_data_since = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    evaluated_at = models.DateTimeField()
    value = models.FloatField(_("value"), null=True)
    peak = models.FloatField(_("peak"), null=True)
    detail = models.CharField(max_length=200, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True)
    acknowledged_at = models.DateTimeField(null=True)
    silenced_by = models.CharField(_("silenced by"), max_length=150, blank=True)
    silenced_until = models.DateTimeField(_("silenced until"), null=True)
    # Another alert explains this one, which is therefore not sent
    muted_by = models.ForeignKey("self", models.SET_NULL, null=True, related_name="+")
    notified_at = models.DateTimeField(null=True)
    web = models.BooleanField(default=False)  # shown in the bell

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ("-pk",)
        permissions = [
            ("operate_alert", _("Can acknowledge and silence alerts")),
        ]
        constraints = [
            UniqueConstraint(
                fields=("rule", "source_kind", "source_key"),
                condition=Q(state__in=sorted(AlertState.OPEN)),
                name="one_open_alert_per_series",
            ),
            CheckConstraint(
                condition=Q(state__in=AlertState.values), name="alert_state_known"
            ),
        ]
        indexes = [models.Index(fields=["state", "-fired_at"], name="alert_by_state")]

    def __str__(self) -> str:
        return f"{translated(self.preset, 'name', self.rule_name)}: {self.source_name}"


class Delivery(Job):
    """One message to one channel. uid: the same in all attempts, so that a receiver
    can drop duplicates. alerts: [{uid, event}], event "firing" or "resolved"."""

    channel = models.ForeignKey(
        NotificationChannel,
        models.CASCADE,
        related_name="deliveries",
        verbose_name=_("channel"),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=DeliveryKind)
    alerts = models.JSONField(default=list)
    response_status = models.PositiveSmallIntegerField(_("response"), null=True)

    class Meta(Job.Meta):
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            CheckConstraint(
                condition=Q(state__in=JobState.values), name="delivery_state_known"
            )
        ]
        indexes = [models.Index(fields=["state", "channel"], name="delivery_by_state")]

    def __str__(self) -> str:
        return f"{self.channel} #{self.pk}"

    @property
    def reason(self) -> dict[str, Any] | None:
        return reason_of(self.code, self.params)


class AlertReadMark(models.Model):
    """Up to when a user has seen the alerts of the bell."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+"
    )
    read_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user_id}"
