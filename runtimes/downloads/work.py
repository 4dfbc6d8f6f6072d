"""Downloads as the worker does them.

One at a time: two would only share the line. Neither takes a process of the task queue
for hours, nor is bound to a task's timeout: a short task starts `manage.py
work_downloads`, which ends with the process that started it. It takes a row, runs the
fetcher, and writes what that tells. A row that nobody writes is taken by the next.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, close_old_connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from common import broker
from models_app.activity import record
from models_app.models import new_uid
from runtimes.downloads.asking import TASK
from runtimes.downloads.hubs import folder
from runtimes.downloads.hubs.child import Child, Event
from runtimes.downloads.hubs.fetcher import Spec
from runtimes.downloads.hubs.remote import Failed
from runtimes.enums import DownloadState, Hub
from runtimes.models import Download

logger = logging.getLogger(__name__)

BEAT_S = 1.0
SILENT = timedelta(seconds=20)
BACK_OFF_S = 10
LONGEST_BACK_OFF_S = 300
MAX_IDLE_ATTEMPTS = 8
PENDING = frozenset(DownloadState.OPEN - DownloadState.WORKING)


def is_due() -> bool:
    """Somebody waits, and nobody works."""
    return _next(list(_open())) is not None


def _open() -> QuerySet[Download]:
    return Download.objects.filter(state__in=DownloadState.OPEN).order_by("pk")


def _next(downloads: list[Download]) -> Download | None:
    now = timezone.now()
    working = [d for d in downloads if d.state in DownloadState.WORKING]
    if any(d.beat_at and d.beat_at > now - SILENT for d in working):
        return None
    due = (d for d in downloads if d.state in PENDING and _may_begin(d, now))
    return next(iter(working), None) or next(due, None)


def _may_begin(download: Download, now: Any) -> bool:
    return download.retry_at is None or download.retry_at <= now


def work() -> None:
    download = take()
    if download is None:
        return
    try:
        _carry(download)
    finally:
        broker.enqueue(TASK)


@transaction.atomic
def take() -> Download | None:
    """The oldest row is everybody's lock."""
    _open().select_for_update().first()
    download = _next(list(_open()))
    if download is None or not _take(download):
        return None
    download.refresh_from_db()
    return download


def _take(download: Download) -> bool:
    """False: another process was faster, or it was begun too often for nothing."""
    as_read = Download.objects.filter(
        pk=download.pk, state=download.state, claim=download.claim
    )
    if download.idle_attempts >= MAX_IDLE_ATTEMPTS:
        _end(download, as_read, DownloadState.FAILED, Failed("download_interrupted"))
        return False
    begun = {
        "state": DownloadState.RUNNING,
        "claim": new_uid(),
        "beat_at": timezone.now(),
        "idle_attempts": download.idle_attempts + 1,
        "retry_at": None,
    }
    return bool(as_read.update(**begun))


def _carry(download: Download) -> None:
    outcome: Failed | None = Failed("download_interrupted", passing=True)
    try:
        with Child(
            _spec(download), settings.BASE_DIR, settings.ENGINE_ENVIRONMENT
        ) as c:
            for event in c.events(BEAT_S):
                if event and event["event"] in ("done", "failed"):
                    outcome = _outcome(event)
                elif not _note(download, event):
                    break
    except OSError as error:
        outcome = Failed("files_unwritable", path=download.root, detail=str(error))
    _conclude(download, outcome)


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
        parent=os.getpid(),
    )


def _outcome(event: Event) -> Failed | None:
    if event["event"] == "done":
        return None
    return Failed(event["code"], passing=event.get("passing", False), **event["params"])


def _mine(download: Download) -> QuerySet[Download]:
    """As long as nobody cancelled it or took it over."""
    return Download.objects.filter(
        pk=download.pk, claim=download.claim, state__in=DownloadState.WORKING
    )


def _note(download: Download, event: Event | None) -> bool:
    """False: it is somebody else's now, or nobody's. A database that is away costs
    beats, no more."""
    told = {"beat_at": timezone.now(), **_told(download, event or {})}
    try:
        return bool(_mine(download).update(**told))
    except DatabaseError as error:
        logger.error("download %s: %s", download.uid, error)
        close_old_connections()
        return True


def _told(download: Download, event: Event) -> Mapping[str, Any]:
    match event.get("event"):
        case "listed":
            download.bytes_total = event["bytes"]
            return {
                "commit": event["commit"],
                "inode": event["inode"],
                "bytes_total": event["bytes"],
                "files_total": event["files"],
            }
        case "fetching":
            return {"state": DownloadState.RUNNING, **_progress(download, event)}
        case "verifying":
            return {"state": DownloadState.VERIFYING}
    return {}


def _progress(download: Download, event: Event) -> Mapping[str, Any]:
    further = event["bytes"] > download.bytes_done
    if further:
        download.idle_attempts = 0
    return {"bytes_done": event["bytes"], "idle_attempts": download.idle_attempts}


def _conclude(download: Download, failed: Failed | None) -> None:
    """One that was removed meanwhile leaves nothing but a whole folder."""
    if failed is None:
        _end(download, _mine(download), DownloadState.DONE)
    elif failed.passing and _is_worth_another_try(download, failed):
        _later(download, failed)
    else:
        _end(download, _mine(download), DownloadState.FAILED, failed)
    if not Download.objects.filter(pk=download.pk).exists():
        root = Path(download.root)
        folder.discard(folder.part_of(root, download.folder, download.uid))


def _is_worth_another_try(download: Download, failed: Failed) -> bool:
    """A hub that never answered may have a wrong address: people want to know."""
    if download.idle_attempts >= MAX_IDLE_ATTEMPTS:
        return False
    return download.bytes_total is not None or failed.code != "hub_unreachable"


def _later(download: Download, failed: Failed) -> None:
    wait = min(BACK_OFF_S * 2 ** max(0, download.idle_attempts - 1), LONGEST_BACK_OFF_S)
    _mine(download).update(
        state=DownloadState.QUEUED,
        code=failed.code,
        params=failed.params,
        retry_at=timezone.now() + timedelta(seconds=wait),
    )


def _end(
    download: Download,
    rows: QuerySet[Download],
    state: DownloadState,
    failed: Failed | None = None,
) -> None:
    """The activity feed tells it, too."""
    code, params = (failed.code, failed.params) if failed else ("", {})
    ended: dict[str, Any] = {"state": state, "code": code, "params": params}
    if state == DownloadState.DONE:
        ended["bytes_done"] = download.bytes_total or download.bytes_done
    with transaction.atomic():
        if rows.update(**ended, finished_at=timezone.now(), beat_at=None):
            about: dict[str, object] = {
                "repo": download.repo,
                "hub": Hub(download.hub).label,
                "path": str(download.path),
            }
            record(f"download_{state}", params=about, reason=(code, params))
