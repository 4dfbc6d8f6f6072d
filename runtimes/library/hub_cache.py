"""Models of a hub in the download cache of this machine."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from common.problems import Problem
from runtimes.frameworks.mounts import mounts
from runtimes.frameworks.paths import path_problem


def offline(model: str, field: str) -> Problem | None:
    """The problem of a model that would have to be downloaded, but may not be, or whose
    files do not respond."""
    cache = settings.HUB_DIR
    if mount := mounts.hung(cache):
        return path_problem("mount_not_responding", field, cache, mount=mount)
    if settings.ENGINE_DOWNLOADS or folder(model):
        return None
    return Problem(code="hub_offline", field=field, params={"model": model})


def folder(model: str) -> Path | None:
    """Its folder in the cache; None: it was never downloaded, or does not respond."""
    if mounts.hung(settings.HUB_DIR):
        return None
    snapshots = settings.HUB_DIR / f"models--{model.replace('/', '--')}" / "snapshots"
    found = sorted(snapshots.glob("*/config.json"), key=_changed)
    return found[-1].parent if found else None


def _changed(config: Path) -> float:
    return config.parent.stat().st_mtime
