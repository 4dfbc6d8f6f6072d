"""Codes about runs: why they ended, and what was seen of their engines."""

from django.utils.translation import gettext_lazy as _

from common.enums import Fault, Retry
from common.messages import Reason

DAMAGED = _(
    "The file is damaged, cut off or of another format. Compare its size and checksum"
    " with those of its source, and fetch it again."
)
REASONS = (
    # Why a run ended: configuration
    Reason(
        "bad_config",
        _("The engine refused its configuration or model file."),
        advice=_(
            "The last lines of the log say what it refused. Check the configuration,"
            " and that the model file is whole."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
        quotes_log=True,
    ),
    Reason(
        "bad_argument",
        _("The engine does not take one of its arguments."),
        advice=_(
            "The last lines of the log name it. Correct it in the configuration or in"
            " extra_args; other versions of an engine know other arguments."
        ),
        retry=Retry.NEVER,
        fault=Fault.ENGINE,
        quotes_log=True,
    ),
    Reason(
        "model_file_damaged",
        _("The model's files are damaged or incomplete."),
        advice=DAMAGED,
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
        quotes_log=True,
    ),
    Reason(
        "model_file_broken",
        _("The model file cannot be used. %(cause)s"),
        advice=DAMAGED,
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
    ),
    Reason(
        "model_file_missing",
        _("The model file %(path)s is missing or unreadable."),
        advice=_(
            "Check the path, that it is under one of MODEL_ROOTS on this machine, and"
            " that the platform's user may read it."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
    ),
    Reason(
        "config_refused",
        _("The configuration does not fit. %(cause)s"),
        advice=_("Correct the configuration and start the model again."),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
    ),
    Reason(
        "hub_offline",
        _(
            "%(model)s is not on this machine, and downloads are not allowed here. Give"
            " the folder of a model, or allow downloads with ENGINE_DOWNLOADS=1."
        ),
        advice=_("Download it in the model library, or give a folder."),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
        subject="path",
    ),
    Reason(
        "unknown_architecture",
        _(
            "The engine does not know this kind of model. Use a newer version of the"
            " engine or another model."
        ),
        retry=Retry.NEVER,
        fault=Fault.ENGINE,
        quotes_log=True,
    ),
    Reason(
        "needs_remote_code",
        _(
            "The model brings code of its own, which only an administrator may allow:"
            " trust_remote_code."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
    ),
    Reason(
        "kv_cache_too_small",
        _(
            "The memory it is given leaves too little for the model's context. Lower"
            " max_model_len or give it more memory."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
        quotes_log=True,
    ),
    Reason(
        "out_of_gpu_memory",
        _("The engine ran out of GPU memory."),
        advice=_(
            "Lower the context, the requests at once or n_gpu_layers, use a smaller"
            " quantisation or more GPUs, or book more GPU memory for it, so that it is"
            " placed where there is more."
        ),
        retry=Retry.MORE_GPU_MEMORY,
        fault=Fault.CONFIGURATION,
        quotes_log=True,
    ),
    # Why a run ended: engine and platform
    Reason(
        "crashed",
        _("The engine ended unexpectedly."),
        advice=_(
            "See the last lines of the log. If it comes back, try another version of"
            " the engine, and report it to its makers with this log."
        ),
        fault=Fault.ENGINE,
        quotes_log=True,
    ),
    Reason(
        "hang",
        _("The engine stopped making progress."),
        advice=_(
            "See the log's last lines, and the GPU's health. If long prompts are usual"
            " here, raise HANG_SECONDS."
        ),
        fault=Fault.ENGINE,
    ),
    Reason(
        "start_timeout",
        _("The engine was not ready within %(seconds)s s."),
        advice=_(
            "See how far the log got. Large models on slow disks take long: raise"
            " START_SECONDS."
        ),
        fault=Fault.ENGINE,
    ),
    Reason(
        "engine_missing",
        _(
            "The engine %(engine)s is not installed here. Installed: %(installed)s. To"
            " install it: %(command)s"
        ),
        advice=_("Install it, or choose one that is installed."),
        retry=Retry.NEVER,
        fault=Fault.ENGINE,
        subject="engine",
    ),
    Reason(
        "engine_broken",
        _("The engine's installation is broken. Install it again."),
        retry=Retry.NEVER,
        fault=Fault.ENGINE,
        quotes_log=True,
    ),
    Reason(
        "port_in_use",
        _("The engine's port was taken by another process."),
        advice=_(
            "It is started again on another port. If this comes back, choose ports that"
            " nothing else here uses: ENGINE_PORT_FIRST and ENGINE_PORT_LAST."
        ),
        retry=Retry.AT_ONCE,
        fault=Fault.PLATFORM,
    ),
    Reason(
        "launch_failed",
        _("The engine could not be started: %(detail)s"),
        fault=Fault.PLATFORM,
    ),
    Reason(
        "abandoned",
        _("The run was given up before its engine was started."),
        fault=Fault.PLATFORM,
    ),
    Reason(
        "launch_lost",
        _("The engine was never started: its launcher was interrupted."),
        fault=Fault.PLATFORM,
    ),
    Reason(
        "restarted",
        _("Stopped to be restarted."),
        retry=Retry.REQUESTED,
    ),
    # Why a run ended: machine
    Reason(
        "out_of_memory",
        _("The engine ran out of memory."),
        advice=_(
            "Lower the context, use a smaller model or quantisation, give it more"
            " memory, or stop other models on this machine."
        ),
        fault=Fault.MACHINE,
        quotes_log=True,
    ),
    Reason(
        "killed",
        _("The engine was killed from outside."),
        advice=_(
            "Somebody on the machine, or a program that guards it, ended the engine:"
            " see journalctl around that time."
        ),
        fault=Fault.MACHINE,
    ),
    Reason(
        "removed_outside",
        _("Its container was removed from outside."),
        advice=_("Containers of models are stopped here, not with docker rm."),
        fault=Fault.MACHINE,
    ),
    Reason(
        "gpu_lost",
        _("A GPU of this run was lost."),
        advice=_(
            "See the GPU under Machines and GPUs, and dmesg for its XID. It is used"
            " again once the driver reaches it; that may need a restart of the machine."
        ),
        retry=Retry.AT_ONCE,
        fault=Fault.MACHINE,
    ),
    Reason(
        "driver_mismatch",
        _(
            "The GPU driver of this machine is too old for the engine. Upgrade the"
            " driver."
        ),
        retry=Retry.NEVER,
        fault=Fault.MACHINE,
        quotes_log=True,
    ),
    Reason(
        "gpu_unsupported",
        _("The engine's build cannot use the GPU of this machine."),
        advice=_(
            "Install a build of the engine made for this GPU, or take the GPU out of"
            " service for such models."
        ),
        retry=Retry.NEVER,
        fault=Fault.MACHINE,
    ),
    Reason(
        "docker_unavailable",
        _("The Docker daemon at %(socket)s cannot be used: %(detail)s."),
        advice=_(
            "Start the Docker daemon, and let the platform's user reach its socket; see"
            " manage.py doctor."
        ),
        fault=Fault.MACHINE,
        subject="image",
    ),
    Reason(
        "image_missing",
        _(
            "The image %(image)s is not on this machine. Pull it on the page “Engines”"
            " or with manage.py pull_engine_image, or load it with docker load or"
            " docker build; then start the model again."
        ),
        advice=_(
            "Pull the image on the page “Engines” or load it, or name another one in"
            " the platform's settings."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
        subject="image",
    ),
    Reason(
        "node_rebooted",
        _("The machine was restarted."),
        retry=Retry.INTERRUPTED,
        fault=Fault.MACHINE,
    ),
    # Activity
    Reason("run_started", _("The engine of %(model)s was started on %(node)s.")),
    Reason("engine_reaped", _("A leftover engine without a run (%(uid)s) was killed.")),
    Reason(
        "engines_unseen",
        _(
            "Engines of the driver %(driver)s on %(node)s cannot be seen; they are"
            " taken to run on: %(models)s."
        ),
    ),
    Reason(
        "engines_seen",
        _("Engines of the driver %(driver)s on %(node)s are seen again."),
    ),
)
