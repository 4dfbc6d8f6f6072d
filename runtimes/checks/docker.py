"""Checks of the Docker daemon. Warnings at most, since neither the platform nor models
that run as processes need it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import gettext as _

from common.messages import render
from models_app.models import ServedModel
from runtimes.checks.finding import Finding, ok, warning
from runtimes.checks.machine import has_gpus
from runtimes.drivers.base import Driver, DriverError
from runtimes.drivers.containers import image_of
from runtimes.drivers.docker import DockerDriver
from runtimes.drivers.dockerd import About, about
from runtimes.registry import driver, framework

# Docker looks for it when a container requests GPUs. The daemon runs on this machine.
GPU_HOOK = "nvidia-container-runtime-hook"
NVIDIA = "nvidia"


def docker() -> Iterator[Finding]:
    for name in settings.DRIVERS:
        found = driver(name)
        if isinstance(found, DockerDriver):
            yield from _daemon(name, found, _models(name))


def _models(name: str) -> list[ServedModel]:
    try:
        return list(ServedModel.objects.filter(driver=name))
    except DatabaseError:  # reported by a check of its own
        return []


def _daemon(
    name: str, runs_on: DockerDriver, models: list[ServedModel]
) -> Iterator[Finding]:
    try:
        daemon = about(runs_on.daemon)
        images = [*_images(runs_on, models)]
    except DriverError as away:
        yield _away(name, away, models)
        return
    yield ok(name, f"{daemon.version}, {runs_on.daemon.url}")
    yield from images
    yield from _gpus(name, daemon)
    if models and not daemon.live_restore:
        yield warning(
            name,
            _("Engines stop when the Docker daemon is restarted."),
            _('Set "live-restore": true in its daemon.json.'),
        )


def _away(name: str, away: DriverError, models: list[ServedModel]) -> Finding:
    message = render(away.code, away.params)
    if not models:
        return ok(
            name, _("Not needed by any model. %(message)s") % {"message": message}
        )
    return warning(
        name,
        message,
        _("Start Docker, and add the platform's user to the group docker."),
    )


def _images(runs_on: DockerDriver, models: list[ServedModel]) -> Iterator[Finding]:
    """Images on this machine, and missing ones that models need."""
    needed = {_image_of(runs_on, model) for model in models}
    for key, image in runs_on.images.items():
        try:
            yield ok(f"image {key}", runs_on.image(key))
        except DriverError as missing:
            if missing.code != "image_missing":
                raise
            if image in needed:
                yield warning(
                    f"image {key}",
                    _("%(image)s is not on this machine.") % {"image": image},
                    _("Run: ./manage.py pull_engine_image %(name)s, or build it.")
                    % {"name": key},
                )


def _image_of(runs_on: DockerDriver, model: ServedModel) -> str | None:
    rules = framework(model.framework)
    engine = rules.engine(model.config, model.gpu_count)
    return image_of(runs_on.images, model.framework, engine)


def _gpus(name: str, daemon: About) -> Iterator[Finding]:
    if not has_gpus():
        return
    if _supports_gpus(daemon):
        yield ok(f"{name} gpus", _("Containers can use GPUs."))
        return
    yield warning(
        f"{name} gpus",
        _("This machine has GPUs, but containers cannot use them."),
        gpu_advice(),
    )


def may_have_gpus(runs_on: Driver) -> bool:
    """Whether engines of this driver can. Raises DriverError docker_unavailable."""
    if not isinstance(runs_on, DockerDriver):
        return True
    return _supports_gpus(about(runs_on.daemon))


def _supports_gpus(daemon: About) -> bool:
    return NVIDIA in daemon.runtimes or shutil.which(GPU_HOOK) is not None


def gpu_advice() -> str:
    return _(
        "Install the NVIDIA Container Toolkit, run: nvidia-ctk runtime configure"
        " --runtime=docker, and restart Docker."
    )
