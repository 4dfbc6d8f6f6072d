"""What to do about a reason, where its own words do not say it already."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

AGAIN = _(
    "Copy or download it again, and compare its size and checksum with the original's."
)
DAMAGED = _(
    "The file is damaged, cut off or of another format. Compare its size and checksum"
    " with those of its source, and fetch it again."
)
ADVICE = {
    "bad_config": _(
        "The last lines of the log say what it refused. Check the configuration, and"
        " that the model file is whole."
    ),
    "bad_argument": _(
        "The last lines of the log name it. Correct it in the configuration or in"
        " extra_args; other versions of an engine know other arguments."
    ),
    "model_file_damaged": DAMAGED,
    "model_file_broken": DAMAGED,
    "config_refused": _("Correct the configuration and start the model again."),
    "model_file_missing": _(
        "Check the path, that it is under one of MODEL_ROOTS on this machine, and that"
        " the platform's user may read it."
    ),
    "out_of_gpu_memory": _(
        "Lower the context, the requests at once or n_gpu_layers, use a smaller"
        " quantisation or more GPUs, or book more GPU memory for it, so that it is"
        " placed where there is more."
    ),
    "out_of_memory": _(
        "Lower the context, use a smaller model or quantisation, give it more memory,"
        " or stop other models on this machine."
    ),
    "port_in_use": _(
        "It is started again on another port. If this comes back, choose ports that"
        " nothing else here uses: ENGINE_PORT_FIRST and ENGINE_PORT_LAST."
    ),
    "no_free_port": _(
        "Stop a model, or set ENGINE_PORT_FIRST and ENGINE_PORT_LAST to a wider range"
        " and restart the platform."
    ),
    "gpu_lost": _(
        "See the GPU under Machines and GPUs, and dmesg for its XID. It is used again"
        " once the driver reaches it; that may need a restart of the machine."
    ),
    "gpu_unsupported": _(
        "Install a build of the engine made for this GPU, or take the GPU out of"
        " service for such models."
    ),
    "killed": _(
        "Somebody on the machine, or a program that guards it, ended the engine: see"
        " journalctl around that time."
    ),
    "crashed": _(
        "See the last lines of the log. If it comes back, try another version of the"
        " engine, and report it to its makers with this log."
    ),
    "hang": _(
        "See the log's last lines, and the GPU's health. If long prompts are usual"
        " here, raise HANG_SECONDS."
    ),
    "start_timeout": _(
        "See how far the log got. Large models on slow disks take long: raise"
        " START_SECONDS."
    ),
    "removed_outside": _("Containers of models are stopped here, not with docker rm."),
    "docker_unavailable": _(
        "Start the Docker daemon, and let the platform's user reach its socket; see"
        " manage.py doctor."
    ),
    # what is wrong before an engine is started
    "file_missing": _(
        "Correct the path, or put the file there; all parts of a model have to be in"
        " one folder."
    ),
    "not_a_file": _("Give the path of the .gguf file itself."),
    "not_a_folder": _("Give the folder that holds config.json."),
    "path_outside_roots": _(
        "Move the model into one of these folders, or add its folder to MODEL_ROOTS and"
        " restart the platform."
    ),
    "hub_offline": _("Download it in the model library, or give a folder."),
    "file_unreadable": _(
        "Let the user that the platform runs as read it, and enter its folders: chmod,"
        " chown."
    ),
    "not_gguf": _(
        "llama.cpp needs a file in the format GGUF; folders with safetensors run on"
        " vLLM."
    ),
    "gguf_truncated": AGAIN,
    "gguf_broken": AGAIN,
    "gguf_lacks": AGAIN,
    "gguf_value": AGAIN,
    "weights_truncated": AGAIN,
    "lfs_pointer": _(
        "Run git lfs pull where it was cloned, or download it in the model library."
    ),
    "bad_model_config": AGAIN,
    "model_config_value": AGAIN,
    "no_weights": _("Copy or download all files of the model."),
    "gguf_not_first": _("Give the path of the first part."),
    "gguf_not_a_model": _("Give the path of the model it belongs to."),
    "architecture_unknown": _(
        "Use a newer version of the engine, another engine, or another model."
    ),
    "engine_missing": _("Install it, or choose one that is installed."),
    "image_missing": _(
        "Pull the image on the page “Engines” or load it, or name another one in the"
        " platform's settings."
    ),
    "unknown_gpu": _("Pin it to GPUs that are there."),
}


def advise(code: str, params: Mapping[str, object]) -> str:
    """Empty where there is none. Of a reason with a cause, rather the cause's."""
    cause, of_cause = params.get("cause"), ""
    if isinstance(cause, Mapping) and "code" in cause:
        of_cause = advise(str(cause["code"]), cause.get("params") or {})
    return of_cause or str(ADVICE.get(code, ""))
