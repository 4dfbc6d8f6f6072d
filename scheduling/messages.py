"""Codes that the scheduler raises."""

from django.utils.translation import gettext_lazy as _

from common.enums import Fault, Retry
from common.messages import Reason

REASONS = (
    # Why a model waits
    Reason(
        "insufficient_cpu",
        _("Needs %(needed)s CPU cores; %(free)s of %(total)s are free on %(node)s."),
        subject="cpu",
    ),
    Reason(
        "insufficient_memory",
        _(
            "Needs %(needed)s MiB of memory; %(free)s of %(total)s MiB are free on"
            " %(node)s."
        ),
        subject="memory",
    ),
    Reason(
        "insufficient_gpus",
        _(
            "Needs %(needed)s GPUs with %(mib)s MiB free each; %(free)s of the"
            " %(total)s GPUs on %(node)s qualify."
        ),
        subject="gpus",
    ),
    Reason("making_room", _("Waiting for other models on %(node)s to stop.")),
    Reason(
        "no_free_port",
        _("All ports from %(first)s to %(last)s on %(node)s are used by models."),
        advice=_(
            "Stop a model, or widen the range with ENGINE_PORT_FIRST and"
            " ENGINE_PORT_LAST and restart the platform."
        ),
        fault=Fault.PLATFORM,
    ),
    Reason(
        "placement_refused",
        _("The database refuses to store its run: %(error)s"),
        advice=_(
            "It is tried again ever less often. Deploy the version that migrated the"
            " database, and read worker.log."
        ),
        fault=Fault.PLATFORM,
    ),
    # Why a model is in error
    Reason(
        "retrying",
        _("%(cause)s Attempt %(attempt)s of %(limit)s starts after %(seconds)s s."),
    ),
    Reason(
        "gave_up",
        _("%(cause)s Gave up after %(attempt)s attempts. See the log."),
        retry=Retry.NEVER,
    ),
    Reason(
        "not_retried",
        _("%(cause)s Not retried, because it would fail again."),
        retry=Retry.NEVER,
    ),
    Reason(
        "no_gpu_has_more",
        _(
            "%(cause)s Its GPU had %(mib)s MiB free, and no GPU can offer more. Lower"
            " n_ctx, n_parallel or n_gpu_layers, use a smaller quantisation, or use"
            " more GPUs."
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
        _("Stopped because the number of replicas was reduced."),
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
        _("One of its GPUs is unhealthy."),
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
