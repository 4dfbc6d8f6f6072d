"""What a preflight looks at, in its order, and which problem belongs to what."""

from __future__ import annotations

from common.problems import Problem

SUBJECTS = (
    *("config", "path", "permission", "format", "architecture", "engine", "image"),
    *("port", "cpu", "memory", "gpus", "placement"),
)
SIZES = frozenset({"cpu", "memory", "gpus"})
PATH = frozenset(
    {"file_missing", "not_a_file", "not_a_folder", "path_outside_roots", "hub_offline"}
)
# The file is there and can be read, but is no model, or not all of one.
FORMAT = frozenset(
    {
        *("not_gguf", "gguf_truncated", "gguf_broken", "gguf_lacks", "gguf_value"),
        *("gguf_not_first", "gguf_not_a_model"),
        *("bad_model_config", "model_config_value", "model_config_lacks"),
        *("no_weights", "weights_truncated", "lfs_pointer"),
    }
)
BY_CODE = {
    **dict.fromkeys(PATH, "path"),
    **dict.fromkeys(FORMAT, "format"),
    "file_unreadable": "permission",
    "architecture_unknown": "architecture",
    "engine_missing": "engine",
    "image_missing": "image",
    "docker_unavailable": "image",
}
BY_FIELD = {
    "cpu_cores": "cpu",
    "config.n_threads": "cpu",
    "memory_mib": "memory",
    "gpu_count": "gpus",
    "gpu_memory_mib": "gpus",
    "pinned_gpus": "gpus",
}


def subject_of(problem: Problem) -> str:
    """Of the model, or of what is missing here."""
    return BY_CODE.get(problem.code, "config")


def room_of(problem: Problem) -> str:
    """Of what is too large for all machines."""
    return BY_FIELD.get(problem.field, "config")
