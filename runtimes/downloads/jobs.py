"""Downloads as jobs: one at a time, since two would only share the line.

A fetcher, a process of its own, does the work and reports on its standard output.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from common import job_runner
from common.exceptions import AlreadyExists, Conflict
from common.jobs import JobFailed, Kind
from common.problems import Problem
from models_app.activity import Actor, record
from models_app.permissions import ADD, VIEW
from runtimes.downloads.hubs import folder
from runtimes.downloads.hubs.child import Child, Event
from runtimes.downloads.hubs.fetcher import Spec
from runtimes.downloads.hubs.remote import Failed
from runtimes.enums import DownloadState, Hub
from runtimes.frameworks.paths import responding
from runtimes.models import Download

logger = logging.getLogger(__name__)

BEAT_S = 1.0
# Another installation may share the model folders, and go on with what has no row here.
LEFTOVER = timedelta(days=2)


class Downloads(Kind[Download]):
    """A download that is tried again continues with the files that are here."""

    name = "download"
    title = _("Download")
    model = Download
    max_attempts = 8
    interrupted = "download_interrupted"

    def run(self, job: Download) -> None:
        outcome: Failed | None = Failed(self.interrupted, passing=True)
        try:
            with Child(
                _spec(job), settings.BASE_DIR, settings.ENGINE_ENVIRONMENT
            ) as child:
                for event in child.events(BEAT_S):
                    if event and event["event"] in ("done", "failed"):
                        outcome = _outcome(event)
                    else:
                        job_runner.report(job, **_progress(job, event or {}))
        except OSError as error:
            outcome = Failed("files_unwritable", path=job.root, detail=str(error))
        if outcome is not None:
            retry = outcome.passing and _is_worth_another_try(job, outcome)
            raise JobFailed(outcome.code, outcome.params, retry)
        job_runner.report(job, done=job.total or job.done)

    def visible_to(self, user: Any) -> QuerySet[Download]:
        return self.jobs() if user.has_perm(VIEW) else self.jobs().none()

    def may_change(self, user: Any, job: Download) -> bool:
        return bool(user.has_perm(ADD))

    def exists(self, job: Download) -> AlreadyExists:
        params: dict[str, object] = {"path": str(job.path)}
        problem = Problem(code="download_exists", field="folder", params=params)
        return AlreadyExists([problem])

    def refusal(self, job: Download) -> Conflict:
        state = DownloadState(job.state).label
        return Conflict("download_not_allowed", repo=job.repo, state=state)

    def on_event(self, event: str, job: Download, actor: Actor = None) -> None:
        code = "download_asked" if event == "requested" else f"download_{event}"
        params: dict[str, object] = {
            "repo": job.repo,
            "hub": Hub(job.hub).label,
            "path": str(job.path),
        }
        record(code, actor=actor, params=params, reason=(job.code, job.params))

    def discard(self, job: Download) -> None:
        """Whole models are never touched."""
        folder.discard(folder.part_of(Path(job.root), job.folder, job.uid))

    def cleanup(self) -> None:
        """Hidden folders without a row. They are listed before rows are read, since a
        row exists before its folder does."""
        parts = {
            uid: part
            for root in responding(settings.MODEL_ROOTS)
            for uid, part in folder.parts_in(root).items()
        }
        known = self.jobs().filter(uid__in=parts).values_list("uid", flat=True)
        for uid in parts.keys() - set(known):
            if _is_old(parts[uid]):
                _discard_unheld(parts[uid])


def _spec(download: Download) -> Spec:
    endpoint, token = settings.HUBS[download.hub]
    return Spec(
        hub=download.hub,
        endpoint=endpoint,
        token=token,
        repo=download.repo,
        revision=download.revision,
        commit=download.commit,
        patterns=download.patterns,
        root=download.root,
        folder=download.folder,
        uid=download.uid,
        inode=download.inode,
        reserve=settings.DOWNLOAD_RESERVE_MIB * 2**20,
        networks=settings.DOWNLOAD_NETWORKS,
        parent=os.getpid(),
    )


def _outcome(event: Event) -> Failed | None:
    if event["event"] == "done":
        return None
    return Failed(event["code"], passing=event.get("passing", False), **event["params"])


def _progress(download: Download, event: Event) -> Mapping[str, Any]:
    """Fields to write. New bytes make earlier attempts count no longer."""
    match event.get("event"):
        case "listed":
            download.total = event["bytes"]
            return {
                "commit": event["commit"],
                "inode": event["inode"],
                "total": event["bytes"],
                "files_total": event["files"],
            }
        case "fetching":
            fields = {"state": DownloadState.RUNNING, "done": event["bytes"]}
            if event["bytes"] > download.done:
                return {**fields, "attempts": 0}
            return fields
        case "verifying":
            return {"state": DownloadState.VERIFYING}
    return {}


def _is_worth_another_try(download: Download, failed: Failed) -> bool:
    """A hub that never answered may have a wrong address: people want to know."""
    return download.total is not None or failed.code != "hub_unreachable"


def _is_old(part: Path) -> bool:
    """By the last file that was created there."""
    try:
        return time.time() - part.stat().st_mtime > LEFTOVER.total_seconds()
    except OSError:
        return False


def _discard_unheld(part: Path) -> None:
    try:
        held = folder.hold(part)
    except (Failed, OSError):
        return  # another process still writes there
    folder.discard(part)
    os.close(held)
    logger.info("cleanup: %s removed", part)
