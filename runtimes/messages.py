"""Codes about configurations, engines and GPUs."""

from django.utils.translation import gettext_lazy as _

from common.enums import Fault
from common.messages import Reason

REASONS = (
    # What a machine lacks
    Reason(
        "insufficient_cpu",
        _("Needs %(needed)s CPU cores; %(node)s has %(free)s of %(total)s free."),
    ),
    Reason(
        "insufficient_memory",
        _(
            "Needs %(needed)s MiB of memory; %(node)s has %(free)s of %(total)s MiB"
            " free."
        ),
    ),
    Reason(
        "insufficient_gpus",
        _(
            "Needs %(needed)s GPUs with %(mib)s MiB free each; %(node)s has %(free)s"
            " such GPUs of %(total)s."
        ),
    ),
    Reason("no_node", _("No machine is known yet. Is the monitor role running?")),
    # Why a GPU takes no models
    Reason(
        "gpu_unreachable",
        _("The driver no longer reaches it."),
        fault=Fault.MACHINE,
    ),
    Reason(
        "gpu_needs_reset",
        _("It reported XID %(xid)s: it has to be reset."),
        fault=Fault.MACHINE,
    ),
    Reason(
        "gpu_needs_reboot",
        _("It reported XID %(xid)s: the machine has to be restarted."),
        fault=Fault.MACHINE,
    ),
    # What is wrong with a configuration
    Reason(
        "unknown_key",
        _("Unknown key %(key)s. Allowed: %(allowed)s."),
        nearest=_("Unknown key %(key)s. Did you mean %(nearest)s?"),
    ),
    Reason("not_allowed", _("%(key)s may not be set. Allowed: %(allowed)s.")),
    Reason(
        "not_with_engine",
        _("%(key)s cannot be set with the engine %(engine)s. It can with: %(others)s."),
    ),
    Reason(
        "gpus_disagree",
        _("tensor_parallel_size is %(value)s, but the model is given %(gpus)s GPUs."),
    ),
    Reason(
        "engine_and_gpus",
        _(
            "%(engine)s does not fit %(gpus)s GPUs: vllm needs one or more, vllm-cpu"
            " none."
        ),
    ),
    Reason(
        "heads_indivisible",
        _(
            "The model's %(heads)s attention heads cannot be shared among %(value)s"
            " GPUs."
        ),
    ),
    Reason(
        "architecture_unknown",
        _("%(engine)s does not know models of the architecture %(architecture)s."),
        advice=_(
            "Use a newer version of the engine, another engine, or another model."
        ),
        fault=Fault.ENGINE,
        subject="architecture",
    ),
    Reason(
        "unknown_gpu",
        _("There is no GPU %(value)s. Allowed: %(allowed)s."),
        advice=_("Pin it to GPUs that are there."),
    ),
    Reason("unknown_driver", _("Unknown driver %(value)s. Allowed: %(allowed)s.")),
    Reason(
        "use_measured",
        _(
            "Estimated %(estimated)s MiB, measured %(measured)s MiB: use what was"
            " measured."
        ),
    ),
    Reason(
        "no_estimate",
        _(
            "The files of %(model)s are not on this machine: how much memory it takes"
            " is not known."
        ),
    ),
    # Activity
    Reason("gpu_is_lost", _("GPU %(gpu)s is lost: the driver no longer reaches it.")),
    Reason("gpu_is_back", _("GPU %(gpu)s is back.")),
    Reason(
        "gpu_is_unhealthy",
        _("GPU %(gpu)s takes no models until it is healthy again."),
    ),
    Reason("gpu_is_healthy", _("GPU %(gpu)s is healthy again.")),
    Reason(
        "gpus_unreadable",
        _(
            "The GPUs of %(node)s cannot be read: %(detail)s. Models go on running;"
            " after a driver upgrade, restart the machine."
        ),
    ),
    Reason("gpus_readable", _("The GPUs of %(node)s can be read again.")),
    Reason("gpu_mode_open", _("GPU %(gpu)s takes models again.")),
    Reason("gpu_mode_excluded", _("GPU %(gpu)s takes no more models.")),
    Reason("gpu_mode_drained", _("GPU %(gpu)s is being drained: its models leave.")),
)
