"""Images that people want here: asked for, cancelled, fetched with progress.

A short task starts `manage.py work_image_pull UID`, which may take hours; the daemon
does the work. A pull whose process does not show itself is over; asked for again, it
goes on with the layers that are here.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from common import broker
from common.exceptions import Conflict, Invalid
from common.problems import Problem
from models_app.activity import Actor, record
from runtimes.drivers.base import DriverError, Pulled
from runtimes.enums import PullState
from runtimes.models import ImagePull
from runtimes.registry import driver

TASK = "runtimes.tasks.pull_image"
NOTED_EVERY_S = 1.0
# The daemon may be silent that long while it unpacks a layer.
SILENT = timedelta(seconds=660)
KEPT = timedelta(days=30)

# Of this process; asked now and then, so that none stays a zombie.
_started: list[subprocess.Popen[bytes]] = []


def ask(driver_name: str, key: str, actor: Actor = None) -> ImagePull:
    """key: framework or engine. Raises Invalid, or Conflict if it is under way."""
    images = driver(driver_name).images
    if key not in images:
        params: dict[str, object] = {"value": key, "allowed": list(images)}
        raise Invalid([Problem(code="no_such_image", field="image", params=params)])
    end_silent()
    try:
        with transaction.atomic():
            pull = ImagePull.objects.create(
                driver=driver_name,
                key=key,
                image=images[key],
                created_by=actor if isinstance(actor, User) else None,
            )
            _record("image_asked", pull, actor)
            broker.enqueue(TASK, pull.uid)
    except IntegrityError:
        raise Conflict("pull_exists", image=images[key]) from None
    return pull


def cancel(pull: ImagePull, actor: Actor = None) -> None:
    """Its process sees it with the daemon's next word. Raises Conflict."""
    with transaction.atomic():
        if not _open(pull.uid).update(state=PullState.CANCELLED):
            raise Conflict("pull_is_over", image=pull.image)
        _record("image_cancelled", pull, actor)


def end_silent() -> None:
    silent = ImagePull.objects.filter(
        state__in=PullState.OPEN, beat_at__lt=timezone.now() - SILENT
    )
    silent.update(state=PullState.FAILED, code="pull_interrupted")


def tidy() -> None:
    end_silent()
    old = ImagePull.objects.exclude(state__in=PullState.OPEN)
    old.filter(created_at__lt=timezone.now() - KEPT).delete()


def start(uid: str) -> None:
    _started[:] = [child for child in _started if child.poll() is None]
    if _open(uid).exists():
        argv = [sys.executable, "manage.py", "work_image_pull", uid]
        child = subprocess.Popen(argv, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)
        _started.append(child)


def work(uid: str) -> None:
    """Nothing to do for a pull that another process has, or that is over."""
    queued = ImagePull.objects.filter(uid=uid, state=PullState.QUEUED)
    if not queued.update(state=PullState.RUNNING, beat_at=timezone.now()):
        return
    pull = ImagePull.objects.get(uid=uid)
    try:
        whole = carry(pull)
    except DriverError as error:
        _end(pull, PullState.FAILED, (error.code, dict(error.params)))
    else:
        if whole:
            _end(pull, PullState.DONE)


def carry(pull: ImagePull) -> bool:
    """False: it was cancelled. The daemon stops when nobody listens any more."""
    noted = 0.0
    pulled: Pulled | None = None
    with closing(cast(Any, driver(pull.driver).pull(pull.key))) as progress:
        for pulled in progress:
            if time.monotonic() - noted >= NOTED_EVERY_S:
                noted = time.monotonic()
                if not _note(pull, pulled):
                    return False
    return pulled is None or _note(pull, pulled)


def _note(pull: ImagePull, pulled: Pulled) -> bool:
    return bool(
        _open(pull.uid).update(
            beat_at=timezone.now(),
            layers=pulled.layers,
            layers_done=pulled.layers_done,
            bytes=pulled.bytes,
            bytes_done=pulled.bytes_done,
        )
    )


def _end(
    pull: ImagePull, state: PullState, reason: tuple[str, dict[str, object]] = ("", {})
) -> None:
    code, params = reason
    with transaction.atomic():
        if _open(pull.uid).update(state=state, code=code, params=params):
            about: dict[str, object] = {"image": pull.image}
            record(f"image_{state}", params=about, reason=reason)


def _open(uid: str) -> QuerySet[ImagePull]:
    return ImagePull.objects.filter(uid=uid, state__in=PullState.OPEN)


def _record(code: str, pull: ImagePull, actor: Actor) -> None:
    record(code, actor=actor, params={"image": pull.image})
