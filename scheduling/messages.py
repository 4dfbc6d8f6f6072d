"""Codes that the scheduler raises."""

from django.utils.translation import gettext_lazy as _

from common.enums import Fault, Retry
from common.messages import Reason

REASONS = (
    # Why a model waits
    Reason("making_room", _("Room is being made on %(node)s.")),
    Reason(
        "no_free_port",
        _("Models on %(node)s have all ports from %(first)s to %(last)s."),
        advice=_(
            "Stop a model, or set ENGINE_PORT_FIRST and ENGINE_PORT_LAST to a wider"
            " range and restart the platform."
        ),
        fault=Fault.PLATFORM,
    ),
    # Why a model is in error
    Reason(
        "retrying",
        _("%(cause)s Attempt %(attempt)s of %(limit)s follows after %(seconds)s s."),
    ),
    Reason(
        "gave_up",
        _("%(cause)s Gave up after %(attempt)s attempts; see the log."),
        retry=Retry.NEVER,
    ),
    Reason(
        "not_retried",
        _("%(cause)s Not retried: it would fail again."),
        retry=Retry.NEVER,
    ),
    Reason(
        "no_gpu_has_more",
        _(
            "%(cause)s %(mib)s MiB were free on its GPU, and no GPU here can have more."
            " Lower n_ctx, n_parallel or n_gpu_layers, use a smaller quantisation, or"
            " spread it over more GPUs."
        ),
    ),
    # Why a run was stopped
    Reason(
        "stopped",
        _("Stopped on request."),
        retry=Retry.REQUESTED,
    ),
    Reason(
        "scaled_down",
        _("Stopped because fewer replicas are wanted."),
        retry=Retry.REQUESTED,
    ),
    Reason(
        "preempted",
        _("Stopped to make room for %(by)s."),
        retry=Retry.EVICTED,
    ),
    Reason(
        "gpu_drained",
        _("Stopped because one of its GPUs is being drained."),
        retry=Retry.EVICTED,
    ),
    Reason(
        "gpu_unhealthy",
        _("One of its GPUs no longer works as it should."),
        retry=Retry.AT_ONCE,
        fault=Fault.MACHINE,
    ),
    # What would let a waiting model start
    Reason("help_stop", _("Stop %(model)s (priority %(priority)s)")),
    Reason("help_priority", _("Raise the priority to %(to)s, above %(model)s")),
    Reason("help_n_ctx", _("Lower the context from %(from)s to %(to)s tokens")),
    # Activity
    Reason("run_scheduled", _("%(model)s was placed on %(node)s.")),
)
