"""What to do about a problem, by its code."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from models_app.exceptions import AnyProblem

AGAIN = gettext_lazy(
    "Copy or download it again, and compare its size and checksum with the original's."
)
BY_CODE = {
    "file_missing": gettext_lazy(
        "Correct the path, or put the file there; all parts of a model have to be in"
        " one folder."
    ),
    "not_a_file": gettext_lazy("Give the path of the .gguf file itself."),
    "not_a_folder": gettext_lazy("Give the folder that holds config.json."),
    "path_outside_roots": gettext_lazy(
        "Move the model into one of these folders, or add its folder to MODEL_ROOTS and"
        " restart the platform."
    ),
    "hub_offline": gettext_lazy("Download it in the model library, or give a folder."),
    "file_unreadable": gettext_lazy(
        "Let the user that the platform runs as read it, and enter its folders: chmod,"
        " chown."
    ),
    "not_gguf": gettext_lazy(
        "llama.cpp needs a file in the format GGUF; folders with safetensors run on"
        " vLLM."
    ),
    "gguf_truncated": AGAIN,
    "gguf_broken": AGAIN,
    "gguf_lacks": AGAIN,
    "gguf_value": AGAIN,
    "weights_truncated": AGAIN,
    "bad_model_config": AGAIN,
    "model_config_value": AGAIN,
    "no_weights": gettext_lazy("Copy or download all files of the model."),
    "gguf_not_first": gettext_lazy("Give the path of the first part."),
    "gguf_not_a_model": gettext_lazy("Give the path of the model it belongs to."),
    "architecture_unknown": gettext_lazy(
        "Use a newer version of the engine, another engine, or another model."
    ),
    "engine_missing": gettext_lazy("Install it, or choose one that is installed."),
    "image_missing": gettext_lazy(
        "Load the image, or name another one in the platform's settings."
    ),
    "docker_unavailable": gettext_lazy(
        "Start Docker, and let the platform's user use it; or choose another driver."
    ),
    "unknown_gpu": gettext_lazy("Pin it to GPUs that are there."),
}


def advice(subject: str, problems: Iterable[AnyProblem]) -> str:
    """Of all of them, each sentence once."""
    usual = _("Ask for less, or use a larger machine.")
    if subject == "config":
        usual = _("Correct the configuration.")
    sentences = [str(BY_CODE.get(problem.code, usual)) for problem in problems]
    return " ".join(dict.fromkeys(sentences))
