"""Codes about configurations, engines and GPUs."""

from django.utils.translation import gettext_lazy as _

from common.enums import Fault
from common.messages import Reason

REASONS = (
    # What a machine lacks
    Reason(
        "no_node", _("No machine has been found yet. Is the monitor process running?")
    ),
    # Why a GPU takes no models
    Reason(
        "gpu_unreachable",
        _("The driver can no longer reach the GPU."),
        fault=Fault.MACHINE,
    ),
    Reason(
        "gpu_needs_reset",
        _("The GPU reported XID %(xid)s and must be reset."),
        fault=Fault.MACHINE,
    ),
    Reason(
        "gpu_needs_reboot",
        _("The GPU reported XID %(xid)s. The machine must be restarted."),
        fault=Fault.MACHINE,
    ),
    # What is wrong with a configuration
    Reason(
        "unknown_key",
        _("Unknown key %(key)s. Allowed keys: %(allowed)s."),
        variants={"nearest": _("Unknown key %(key)s. Did you mean %(nearest)s?")},
    ),
    Reason("not_allowed", _("%(key)s cannot be set. Allowed values: %(allowed)s.")),
    Reason(
        "not_with_engine",
        _("%(key)s is not supported by the engine %(engine)s, but by: %(others)s."),
    ),
    Reason(
        "embedding_not_set",
        _("This is an embedding model, but embedding is not set to true."),
        advice=_("Set embedding to true, and send its requests to /v1/embeddings."),
    ),
    Reason(
        "unknown_chat_template",
        _(
            "chat_template “%(value)s” is neither a Jinja template, which contains {{"
            " or {%%, nor a name that the engine knows: %(allowed)s."
        ),
        advice=_(
            "Remove chat_template to use the one in the model file, or enter the"
            " template's text."
        ),
    ),
    Reason(
        "gpus_disagree",
        _("tensor_parallel_size is %(value)s, but gpu_count is %(gpus)s."),
    ),
    Reason(
        "engine_and_gpus",
        _(
            "The engine %(engine)s cannot be used with %(gpus)s GPUs: vllm needs at"
            " least one, vllm-cpu uses none."
        ),
    ),
    Reason(
        "heads_indivisible",
        _(
            "The model's %(heads)s attention heads cannot be divided evenly among"
            " %(value)s GPUs."
        ),
    ),
    Reason(
        "architecture_unknown",
        _("%(engine)s does not support the model architecture %(architecture)s."),
        advice=_(
            "Use a newer version of the engine, another engine, or another model."
        ),
        fault=Fault.ENGINE,
        subject="architecture",
    ),
    Reason(
        "unknown_gpu",
        _("GPU %(value)s does not exist. Allowed values: %(allowed)s."),
        advice=_("Pin the model to existing GPUs."),
    ),
    Reason(
        "unknown_driver", _("Unknown driver %(value)s. Allowed values: %(allowed)s.")
    ),
    Reason(
        "use_measured",
        _(
            "%(measured)s MiB were measured, %(estimated)s MiB estimated. Use the"
            " measured value."
        ),
    ),
    Reason(
        "no_estimate",
        _(
            "The files of %(model)s are not on this machine, so its memory cannot be"
            " estimated."
        ),
    ),
    # Activity
    Reason(
        "gpu_is_lost", _("GPU %(gpu)s was lost: the driver can no longer reach it.")
    ),
    Reason("gpu_is_back", _("GPU %(gpu)s is back.")),
    Reason(
        "gpu_is_unhealthy",
        _("GPU %(gpu)s is unhealthy and accepts no models until it recovers."),
    ),
    Reason("gpu_is_healthy", _("GPU %(gpu)s is healthy again.")),
    Reason(
        "gpus_unreadable",
        _(
            "The GPUs of %(node)s cannot be read: %(detail)s. Running models are not"
            " affected. After a driver upgrade, restart the machine."
        ),
    ),
    Reason("gpus_readable", _("The GPUs of %(node)s can be read again.")),
    Reason("gpu_mode_open", _("GPU %(gpu)s accepts models again.")),
    Reason("gpu_mode_excluded", _("GPU %(gpu)s accepts no new models.")),
    Reason(
        "gpu_mode_drained",
        _("GPU %(gpu)s is being drained: its models are moved away."),
    ),
)
