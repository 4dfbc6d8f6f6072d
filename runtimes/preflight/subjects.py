"""What a preflight lines at, in its order, and which problem belongs to what."""

from __future__ import annotations

from common.messages import find
from common.problems import Problem

SUBJECTS = (
    *("config", "path", "permission", "format", "architecture", "engine", "image"),
    *("port", "cpu", "memory", "gpus", "placement"),
)
SIZES = frozenset({"cpu", "memory", "gpus"})
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
    return find(problem.code).subject


def size_subject_of(problem: Problem) -> str:
    """Of what is too large for all machines."""
    return BY_FIELD.get(problem.field, "config")
