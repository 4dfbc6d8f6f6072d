"""Codes about runs: why they ended, and what was seen of their engines."""

from django.utils.translation import gettext_lazy as _

from common.enums import Fault, Retry
from common.messages import Reason

DAMAGED = _(
    "The file is damaged, incomplete or in another format. Compare its size and"
    " checksum with the original, and copy or download it again."
)
REASONS = (
    # Why a run ended: configuration
    Reason(
        "bad_config",
        _("The engine rejected its configuration or model file."),
        advice=_(
            "See the last lines of the log. Check the configuration, and that the model"
            " file is complete."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
        quotes_log=True,
    ),
    Reason(
        "bad_argument",
        _("The engine rejected one of its arguments."),
        advice=_(
            "The last lines of the log name it. Correct it in the configuration or in"
            " extra_args. Arguments differ between engine versions."
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
            "Check that the path is correct, is in one of MODEL_ROOTS on this machine,"
            " and is readable by the platform's user."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
    ),
    Reason(
        "config_refused",
        _("The configuration is invalid. %(cause)s"),
        advice=_("Correct the configuration and start the model again."),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
    ),
    Reason(
        "hub_offline",
        _(
            "%(model)s is not on this machine, and engines may not download models."
            " Enter the folder of a model, or allow downloads with ENGINE_DOWNLOADS=1."
        ),
        advice=_("Download the model in the model library, or enter its folder."),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
        subject="path",
    ),
    Reason(
        "unknown_architecture",
        _(
            "The engine does not support this model's architecture. Use a newer version"
            " of the engine or another model."
        ),
        retry=Retry.NEVER,
        fault=Fault.ENGINE,
        quotes_log=True,
    ),
    Reason(
        "needs_remote_code",
        _(
            "The model contains its own code, which only administrators may allow"
            " (trust_remote_code)."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
    ),
    Reason(
        "kv_cache_too_small",
        _(
            "Too little memory is left for the model's context. Lower max_model_len or"
            " assign more memory."
        ),
        retry=Retry.NEVER,
        fault=Fault.CONFIGURATION,
        quotes_log=True,
    ),
    Reason(
        "out_of_gpu_memory",
        _("The engine ran out of GPU memory."),
        advice=_(
            "Lower the context size, the number of parallel requests or n_gpu_layers,"
            " use a smaller quantisation or more GPUs, or assign more GPU memory, so"
            " that it is placed on larger GPUs."
        ),
        retry=Retry.MORE_GPU_MEMORY,
        fault=Fault.CONFIGURATION,
        quotes_log=True,
    ),
    # Why a run ended: engine and platform
    Reason(
        "crashed",
        _("The engine exited unexpectedly."),
        advice=_(
            "See the last lines of the log. If it happens again, try another version of"
            " the engine, and report the problem to its developers with this log."
        ),
        fault=Fault.ENGINE,
        quotes_log=True,
    ),
    Reason(
        "hang",
        _("The engine stopped responding."),
        advice=_(
            "See the last lines of the log and the GPU's health. If long prompts are"
            " common, raise HANG_SECONDS."
        ),
        fault=Fault.ENGINE,
    ),
    Reason(
        "start_timeout",
        _("The engine was not ready within %(seconds)s s."),
        advice=_(
            "Check the log for its progress. Large models on slow disks take long to"
            " load: raise START_SECONDS."
        ),
        fault=Fault.ENGINE,
    ),
    Reason(
        "engine_missing",
        _(
            "The engine %(engine)s is not installed. Installed engines: %(installed)s."
            " To install it: %(command)s"
        ),
        advice=_("Install it, or choose one that is installed."),
        retry=Retry.NEVER,
        fault=Fault.ENGINE,
        subject="engine",
    ),
    Reason(
        "engine_broken",
        _("The engine's installation is broken. Reinstall it."),
        retry=Retry.NEVER,
        fault=Fault.ENGINE,
        quotes_log=True,
    ),
    Reason(
        "port_in_use",
        _("The engine's port was already in use."),
        advice=_(
            "The engine is restarted on another port. If it happens again, choose"
            " unused ports with ENGINE_PORT_FIRST and ENGINE_PORT_LAST."
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
        _("The run was abandoned before its engine was started."),
        fault=Fault.PLATFORM,
    ),
    Reason(
        "launch_lost",
        _("The engine was not started because its launch was interrupted."),
        fault=Fault.PLATFORM,
    ),
    Reason(
        "restarted",
        _("Stopped for a restart."),
        retry=Retry.REQUESTED,
    ),
    # Why a run ended: machine
    Reason(
        "out_of_memory",
        _("The engine ran out of memory."),
        advice=_(
            "Lower the context size, use a smaller model or quantisation, assign more"
            " memory, or stop other models on this machine."
        ),
        fault=Fault.MACHINE,
        quotes_log=True,
    ),
    Reason(
        "memory_exceeded",
        _("The engine used more than the %(mib)s MiB of memory assigned to it."),
        advice=_(
            "Assign more memory to the model, or lower its context size or the number"
            " of requests at once."
        ),
        fault=Fault.CONFIGURATION,
    ),
    Reason(
        "killed",
        _("The engine was killed by another process."),
        advice=_(
            "A user or a service on the machine killed the engine. See journalctl for"
            " that time."
        ),
        fault=Fault.MACHINE,
    ),
    Reason(
        "removed_outside",
        _("The container was removed outside the platform."),
        advice=_("Stop models on the platform, not with docker rm."),
        fault=Fault.MACHINE,
    ),
    Reason(
        "gpu_lost",
        _("One of the run's GPUs was lost."),
        advice=_(
            "See the GPU under Machines and GPUs, and its XID in dmesg. It is used"
            " again once the driver can reach it, which may require a restart of the"
            " machine."
        ),
        retry=Retry.AT_ONCE,
        fault=Fault.MACHINE,
    ),
    Reason(
        "driver_mismatch",
        _("This machine's GPU driver is too old for the engine. Upgrade the driver."),
        retry=Retry.NEVER,
        fault=Fault.MACHINE,
        quotes_log=True,
    ),
    Reason(
        "gpu_unusable",
        _("The engine could not use the run's GPUs."),
        advice=_(
            "The last lines of the log may name the cause. Check nvidia-smi, and that"
            " the platform's user may open the GPU devices under /dev."
        ),
        retry=Retry.BACKOFF,
        fault=Fault.MACHINE,
        quotes_log=True,
    ),
    Reason(
        "gpu_unsupported",
        _("This build of the engine does not support this machine's GPU."),
        advice=_(
            "Install a build of the engine that supports this GPU, or do not use this"
            " GPU for such models."
        ),
        retry=Retry.NEVER,
        fault=Fault.MACHINE,
    ),
    Reason(
        "docker_unavailable",
        _("The Docker daemon at %(socket)s cannot be used: %(detail)s."),
        advice=_(
            "Start the Docker daemon, and give the platform's user access to its"
            " socket; see manage.py doctor."
        ),
        fault=Fault.MACHINE,
        subject="image",
    ),
    Reason(
        "image_missing",
        _(
            "The image %(image)s is not on this machine. Pull it on the page “Engines”"
            " or with manage.py pull_engine_image, or use docker load or docker build."
            " Then start the model again."
        ),
        advice=_(
            "Pull the image on the page “Engines”, or configure another one in the"
            " platform's settings."
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
    Reason("engine_reaped", _("An orphaned engine (%(uid)s) was killed.")),
    Reason(
        "engines_unseen",
        _(
            "Driver %(driver)s cannot see its engines on %(node)s. They are assumed to"
            " be running: %(models)s."
        ),
    ),
    Reason(
        "engines_seen",
        _("Driver %(driver)s can see its engines on %(node)s again."),
    ),
)
