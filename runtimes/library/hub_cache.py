"""Models of a hub that were downloaded to this machine before."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from common.problems import Problem


def offline(model: str, field: str) -> Problem | None:
    """What is wrong with asking for it, if it would have to be downloaded."""
    if settings.ENGINE_DOWNLOADS or folder(model):
        return None
    return Problem(code="hub_offline", field=field, params={"model": model})


def folder(model: str) -> Path | None:
    """Where it is kept; None: it was never downloaded."""
    kept = settings.HUB_DIR / f"models--{model.replace('/', '--')}" / "snapshots"
    found = sorted(kept.glob("*/config.json"), key=_changed)
    return found[-1].parent if found else None


def _changed(config: Path) -> float:
    return config.parent.stat().st_mtime
