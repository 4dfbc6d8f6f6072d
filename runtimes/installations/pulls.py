"""Pulls of engine images as jobs; the daemon of the driver does the work.

Layers that are here stay when a pull is cancelled or its process is killed; the next
one goes on with the others.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any, cast

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from common import job_runner, jobs
from common.exceptions import AlreadyExists, Conflict, Invalid
from common.jobs import JobFailed, Kind
from common.problems import Problem
from models_app.activity import Actor, record
from models_app.permissions import ADD, VIEW
from runtimes.drivers.base import DriverError, Pulled
from runtimes.models import ImagePull
from runtimes.registry import driver

REPORT_S = 1.0
EVENTS = {"requested": "image_asked"}


def submit(driver_name: str, key: str, actor: Actor = None) -> ImagePull:
    """key: framework or engine. Raises Invalid, or AlreadyExists if the image is being
    pulled."""
    images = driver(driver_name).images
    if key not in images:
        params: dict[str, object] = {"value": key, "allowed": list(images)}
        raise Invalid([Problem(code="no_such_image", field="image", params=params)])
    return jobs.submit(ImagePull(driver=driver_name, key=key, image=images[key]), actor)


class Pulls(Kind[ImagePull]):
    name = "image_pull"
    title = _("Image pull")
    model = ImagePull
    parallel = 4
    interrupted = "pull_interrupted"

    def run(self, job: ImagePull) -> None:
        """The daemon stops when nobody listens any more."""
        reported = 0.0
        pulled: Pulled | None = None
        try:
            with closing(cast(Any, driver(job.driver).pull(job.key))) as progress:
                for pulled in progress:
                    if time.monotonic() - reported >= REPORT_S:
                        reported = time.monotonic()
                        _report(job, pulled)
        except DriverError as error:
            raise JobFailed(error.code, error.params) from error
        if pulled is not None:
            _report(job, pulled)

    def visible_to(self, user: Any) -> QuerySet[ImagePull]:
        return self.jobs() if user.has_perm(VIEW) else self.jobs().none()

    def may_change(self, user: Any, job: ImagePull) -> bool:
        return bool(user.has_perm(ADD))

    def exists(self, job: ImagePull) -> AlreadyExists:
        params: dict[str, object] = {"image": job.image}
        problem = Problem(code="pull_exists", field="image", params=params)
        return AlreadyExists([problem])

    def refusal(self, job: ImagePull) -> Conflict:
        return Conflict("pull_is_over", image=job.image)

    def on_event(self, event: str, job: ImagePull, actor: Actor = None) -> None:
        code = EVENTS.get(event, f"image_{event}")
        params: dict[str, object] = {"image": job.image}
        record(code, actor=actor, params=params, reason=(job.code, job.params))


def _report(pull: ImagePull, pulled: Pulled) -> None:
    job_runner.report(
        pull,
        layers=pulled.layers,
        layers_done=pulled.layers_done,
        total=pulled.bytes,
        done=pulled.bytes_done,
    )
