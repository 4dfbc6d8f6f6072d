"""Models of a hub that were downloaded to this machine before."""

from __future__ import annotations

from django.conf import settings

from models_app.problems import Problem


def offline(model: str, field: str) -> Problem | None:
    """What is wrong with asking for it, if it would have to be downloaded."""
    if settings.ENGINE_DOWNLOADS or _is_here(model):
        return None
    return Problem(code="hub_offline", field=field, params={"model": model})


def _is_here(model: str) -> bool:
    kept = settings.HUB_DIR / f"models--{model.replace('/', '--')}" / "snapshots"
    return any(kept.glob("*/config.json"))
