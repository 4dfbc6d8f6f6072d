"""Checks of the Docker daemon, as far as models need one. Warnings at most: the
platform is well without it, and so are models that are processes."""

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

# What Docker itself looks for when a container asks for GPUs; on this machine, as the
# daemon is
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
    except DatabaseError:  # which is a finding of its own
        return []


def _daemon(
    name: str, runs_on: DockerDriver, models: list[ServedModel]
) -> Iterator[Finding]:
    try:
        told = about(runs_on.daemon)
        images = [*_images(runs_on, models)]
    except DriverError as away:
        yield _away(name, away, models)
        return
    yield ok(name, f"{told.version}, {runs_on.daemon.url}")
    yield from images
    yield from _gpus(name, told)
    if models and not told.live_restore:
        yield warning(
            name,
            _("Engines end when the Docker daemon is restarted."),
            _('Set "live-restore": true in its daemon.json.'),
        )


def _away(name: str, away: DriverError, models: list[ServedModel]) -> Finding:
    message = render(away.code, away.params)
    if not models:
        return ok(name, _("No model needs it. %(message)s") % {"message": message})
    return warning(
        name,
        message,
        _("Start Docker, and let the platform's user use it: group docker."),
    )


def _images(runs_on: DockerDriver, models: list[ServedModel]) -> Iterator[Finding]:
    """Those that are here, and those that models need."""
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


def _gpus(name: str, told: About) -> Iterator[Finding]:
    if not has_gpus():
        return
    if _gives_gpus(told):
        yield ok(f"{name} gpus", _("Containers can have GPUs."))
        return
    yield warning(
        f"{name} gpus",
        _("There are GPUs here, but containers cannot have any."),
        gpu_advice(),
    )


def may_have_gpus(runs_on: Driver) -> bool:
    """Engines of this driver. Raises DriverError docker_unavailable."""
    if not isinstance(runs_on, DockerDriver):
        return True
    return _gives_gpus(about(runs_on.daemon))


def _gives_gpus(told: About) -> bool:
    return NVIDIA in told.runtimes or shutil.which(GPU_HOOK) is not None


def gpu_advice() -> str:
    return _(
        "Install the NVIDIA Container Toolkit, run: nvidia-ctk runtime configure"
        " --runtime=docker, and restart Docker."
    )
