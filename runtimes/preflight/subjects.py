"""Subjects of a preflight, in order, and which problem belongs to which subject."""

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
    """Of a problem with the model or with the machine's equipment."""
    return find(problem.code).subject


def size_subject_of(problem: Problem) -> str:
    """Of a size that is too large for every machine."""
    return BY_FIELD.get(problem.field, "config")
