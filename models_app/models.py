"""What people configure and own: served models, their runs, activity, API tokens."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.utils.translation import gettext_lazy as _
from taggit.managers import TaggableManager

# Their models belong to this app.
import models_app.aliases.models
import models_app.limits.models  # noqa: F401 -- its models belong to this app
from common.fields import EncryptedTextField
from common.messages import reason_of, render
from common.models import new_uid
from common.network.sockets import socket_of
from models_app.enums import (
    ALLOWED,
    Desired,
    Operation,
    PlacementPolicy,
    RunState,
    Status,
)
from models_app.prices.models import Priced
from models_app.querysets import ActivityQuerySet, RunQuerySet, ServedModelQuerySet
from models_app.tokens.models import ApiToken as ApiToken

# Of a run, beside its config and GPUs
FIXED = ("framework", "driver")
# At least one letter, so that a name can never be taken for an id in a path.
name_is_slug = RegexValidator(
    r"^(?=.*[a-z])[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$",
    _("Use 1 to 63 of a-z, 0-9, '.', '_' and '-', with at least one letter."),
    code="invalid_name",
)


class ServedModel(Priced):
    name = models.CharField(
        _("name"), max_length=63, unique=True, validators=[name_is_slug],
        help_text=_("Unique; used in API calls."),
    )  # fmt: skip
    display_name = models.CharField(_("display name"), max_length=200, blank=True)
    description = models.TextField(_("description"), blank=True, max_length=10_000)
    aliases = models.JSONField(
        _("aliases"), default=list, blank=True,
        help_text=_("Other names that inference requests may use."),
    )  # fmt: skip
    tags = TaggableManager(_("tags"), blank=True)
    framework = models.CharField(_("framework"), max_length=40, default="llama.cpp")
    driver = models.CharField(_("driver"), max_length=40, default="process")
    config = models.JSONField(_("configuration"), default=dict)
    # Read from the model's files when it is saved or started; empty: not known
    model_kind = models.CharField(
        _("model kind"), max_length=10, blank=True, editable=False
    )
    gpu_count = models.PositiveSmallIntegerField(
        _("GPUs"), default=0, validators=[MaxValueValidator(64)]
    )
    gpu_memory_mib = models.PositiveIntegerField(
        _("GPU memory (MiB)"), default=0, validators=[MaxValueValidator(64 * 2**20)],
        help_text=_("Total for one replica, split evenly over its GPUs."),
    )  # fmt: skip
    cpu_cores = models.PositiveSmallIntegerField(
        _("CPU cores"), null=True, blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1024)],
        help_text=_(
            "If empty: 1 with GPUs, otherwise the engine's number of threads."
        ),
    )  # fmt: skip
    memory_mib = models.PositiveIntegerField(
        _("memory (MiB)"), default=0, validators=[MaxValueValidator(64 * 2**20)]
    )
    priority = models.PositiveSmallIntegerField(
        _("priority"), default=5,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        help_text=_("1 to 10; 10 is the highest priority."),
    )  # fmt: skip
    preemptible = models.BooleanField(_("preemptible"), default=True)
    preempts = models.BooleanField(
        _("can preempt"), default=True,
        help_text=_("May displace preemptible models with a lower priority."),
    )  # fmt: skip
    placement = models.CharField(
        _("placement"), max_length=10, choices=PlacementPolicy, blank=True,
        help_text=_("If empty, the platform's default applies."),
    )  # fmt: skip
    pinned_gpus = models.JSONField(
        _("pinned GPUs"), default=list, blank=True,
        help_text=_("UUIDs of the only GPUs the model may use. If empty, any GPU."),
    )  # fmt: skip
    replicas = models.PositiveSmallIntegerField(
        _("replicas"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(64)],
    )

    cache_ttl_s = models.PositiveIntegerField(
        _("response cache (s)"), default=0, validators=[MaxValueValidator(86_400)],
        help_text=_(
            "How long answers to the same request are repeated from memory, as far as"
            " they do not vary: at temperature 0, and embeddings. 0: off."
        ),
    )  # fmt: skip

    desired_state = models.CharField(
        _("desired state"), max_length=10, choices=Desired, default=Desired.STOPPED,
        editable=False,
    )  # fmt: skip
    status = models.CharField(
        _("status"),
        max_length=10,
        choices=Status,
        default=Status.STOPPED,
        editable=False,
    )
    reason_code = models.CharField(max_length=40, blank=True, editable=False)
    reason_params = models.JSONField(default=dict, blank=True, editable=False)
    # Each start and restart begins a new generation; runs of older ones are stopped.
    generation = models.PositiveIntegerField(default=0, editable=False)
    waiting_since = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = ServedModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ("name",)
        permissions = [
            ("operate_servedmodel", _("Can start, stop and restart models")),
            ("use_servedmodel", _("Can send inference requests to models")),
            ("approve_servedmodel", _("Can approve administrators' settings")),
        ]
        constraints = [
            CheckConstraint(
                condition=Q(status__in=Status.values), name="model_status_known"
            ),
            CheckConstraint(
                condition=Q(desired_state__in=Desired.values),
                name="model_desired_known",
            ),
            CheckConstraint(
                condition=Q(priority__range=(1, 10)), name="model_priority_1_to_10"
            ),
            CheckConstraint(
                condition=Q(replicas__gte=1), name="model_replicas_positive"
            ),
            CheckConstraint(
                condition=Q(gpu_count__gt=0) | Q(gpu_memory_mib=0),
                name="model_gpu_memory_needs_gpus",
            ),
            CheckConstraint(
                condition=~Q(status=Status.STOPPED) | Q(desired_state=Desired.STOPPED),
                name="model_stopped_is_wanted",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.name

    def allowed_operations(self) -> tuple[Operation, ...]:
        return ALLOWED[Status(self.status)]

    @property
    def reason(self) -> dict[str, Any] | None:
        return reason_of(self.reason_code, self.reason_params)


class Approval(models.Model):
    """An administrator's consent to one key of a configuration, as models_app.approvals
    binds it. parts: by name, what it applies to, so that a change can be named."""

    model = models.ForeignKey(ServedModel, models.CASCADE, related_name="approvals")
    key = models.CharField(_("setting"), max_length=100)
    parts = models.JSONField(default=dict)
    approved_by = models.CharField(_("approved by"), max_length=150, blank=True)
    approved_at = models.DateTimeField(_("approved"), auto_now=True)

    class Meta:
        ordering = ("key",)
        constraints = [
            UniqueConstraint(F("model"), F("key"), name="one_approval_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.model.name}: {self.key}"


def new_key() -> str:
    return secrets.token_urlsafe(32)


class Run(models.Model):
    """One attempt to run one replica, never reused; holds resources until it ends."""

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    model = models.ForeignKey(
        ServedModel, models.CASCADE, related_name="runs", verbose_name=_("model")
    )
    replica = models.PositiveSmallIntegerField(_("replica"), default=0)
    generation = models.PositiveIntegerField()
    state = models.CharField(
        _("state"), max_length=12, choices=RunState, default=RunState.SCHEDULED
    )
    # What was started: later edits of the model do not change a run.
    framework = models.CharField(_("framework"), max_length=40)
    driver = models.CharField(_("driver"), max_length=40)
    config = models.JSONField(_("configuration"), default=dict)
    # chat, completion or embedding, read from the model's files; empty: not known
    model_kind = models.CharField(max_length=10, blank=True, editable=False)
    # Where, and what it holds there
    node = models.CharField(_("machine"), max_length=255)
    # None: the engine listens on a Unix socket
    port = models.PositiveIntegerField(_("port"), null=True)
    # How often another process had taken its port
    port_changes = models.PositiveSmallIntegerField(default=0, editable=False)
    cpu_cores = models.PositiveSmallIntegerField(_("CPU cores"))
    memory_mib = models.PositiveIntegerField(_("memory (MiB)"))
    gpu_uuids = models.JSONField(_("GPUs"), default=list)
    # Free on each of its GPUs, at least, before it was placed
    gpu_room_mib = models.PositiveIntegerField(null=True, editable=False)
    # Measured: MiB by GPU UUID, null where the driver does not report it
    gpu_used = models.JSONField(null=True, editable=False)
    # Peaks: MiB on all its GPUs, and of the host's memory
    gpu_peak_mib = models.PositiveIntegerField(null=True, editable=False)
    memory_peak_mib = models.PositiveIntegerField(null=True, editable=False)
    traffic = models.FloatField(default=0, editable=False)
    # The driver cannot see its engine now; the run is assumed to go on
    unseen = models.BooleanField(default=False, editable=False)
    engine_key = EncryptedTextField(default=new_key, editable=False)
    handle = models.JSONField(null=True, editable=False)
    # Seconds of common.clock.uptime() under boot_id
    boot_id = models.CharField(max_length=36)
    placed_uptime = models.FloatField(default=0)
    deadline = models.FloatField(null=True)
    idle_since = models.FloatField(null=True)
    ready_uptime = models.FloatField(null=True)
    ended_uptime = models.FloatField(null=True)

    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    ready_at = models.DateTimeField(_("ready"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    stop_code = models.CharField(max_length=40, blank=True)
    stop_params = models.JSONField(default=dict)
    end_code = models.CharField(max_length=40, blank=True)
    end_params = models.JSONField(default=dict)
    exit_code = models.IntegerField(_("exit code"), null=True)
    exit_signal = models.IntegerField(_("exit signal"), null=True)
    log_tail = models.TextField(_("log tail"), blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ("-pk",)
        constraints = [
            CheckConstraint(
                condition=Q(state__in=RunState.values), name="run_state_known"
            ),
            CheckConstraint(
                condition=Q(state=RunState.ENDED, ended_at__isnull=False)
                | (~Q(state=RunState.ENDED) & Q(ended_at__isnull=True)),
                name="run_ended_has_time",
            ),
            CheckConstraint(
                condition=~Q(state=RunState.ENDED) | ~Q(end_code=""),
                name="run_ended_has_reason",
            ),
            CheckConstraint(
                condition=~Q(state__in=[RunState.READY, RunState.DRAINING])
                | Q(handle__isnull=False),
                name="run_ready_has_handle",
            ),
            UniqueConstraint(
                F("model"), F("replica"),
                condition=~Q(state=RunState.ENDED), name="one_live_run_per_replica",
            ),
            UniqueConstraint(
                F("node"), F("port"),
                condition=~Q(state=RunState.ENDED), name="one_live_run_per_port",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.model.name}/{self.replica}/{self.uid[:8]}"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}" if self.port else "http://localhost"

    @property
    def socket(self) -> str:
        """Path of the engine's Unix socket; empty: it listens on base_url."""
        return "" if self.port else str(socket_of(settings.RUNS_DIR, self.uid))

    def outdated_fields(self) -> list[str]:
        """Fields of the model that were changed since this run was placed, such as
        `config.n_ctx`. None for a run that a restart has replaced already."""
        model = self.model
        if self.generation != model.generation:
            return []
        pairs = {name: (getattr(self, name), getattr(model, name)) for name in FIXED}
        pairs["gpu_count"] = (len(self.gpu_uuids), model.gpu_count)
        for key in self.config.keys() | model.config.keys():
            pairs[f"config.{key}"] = (self.config.get(key), model.config.get(key))
        return sorted(name for name, (old, new) in pairs.items() if old != new)

    @property
    def end_reason(self) -> str:
        return render(self.end_code, self.end_params) if self.end_code else ""


class Activity(models.Model):
    """One thing that happened. The feed of the dashboard and the audit trail."""

    at = models.DateTimeField(_("time"), auto_now_add=True, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    actor_name = models.CharField(_("actor"), max_length=150, blank=True)
    model = models.ForeignKey(
        ServedModel, models.SET_NULL, null=True, related_name="activity"
    )
    model_name = models.CharField(_("model"), max_length=63, blank=True)
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="activity")
    address = models.GenericIPAddressField(_("client address"), null=True)
    code = models.CharField(_("event"), max_length=40)
    params = models.JSONField(default=dict)
    reason_code = models.CharField(max_length=40, blank=True)
    reason_params = models.JSONField(default=dict)

    objects = ActivityQuerySet.as_manager()

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activity")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.message

    @property
    def reason(self) -> dict[str, Any] | None:
        return reason_of(self.reason_code, self.reason_params)

    @property
    def message(self) -> str:
        text = render(self.code, {"model": self.model_name, **self.params})
        if self.reason_code:
            return f"{text} {render(self.reason_code, self.reason_params)}"
        return text
