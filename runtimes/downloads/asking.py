"""Downloads as people want them: asked for, cancelled, tried again, removed."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from common import broker
from common.exceptions import Conflict, Invalid
from common.problems import Problem
from models_app.activity import Actor, record
from runtimes.downloads.hubs import folder
from runtimes.downloads.wanted import Wanted, problems, root_problem
from runtimes.enums import DownloadState
from runtimes.models import Download

MAX_OPEN = 50
TASK = "runtimes.tasks.download"


def ask(wanted: Wanted, actor: Actor = None) -> Download:
    """Raises Invalid."""
    if found := list(problems(wanted)):
        raise Invalid(found)
    root = _root(wanted.root)
    target = root / wanted.folder_name
    if os.path.lexists(target):
        raise _invalid("folder_exists", "folder", path=str(target))
    if Download.objects.filter(state__in=DownloadState.OPEN).count() >= MAX_OPEN:
        raise _invalid("too_many_downloads", "repo", max=MAX_OPEN)
    try:
        with transaction.atomic():
            download = _create(wanted, root, actor)
            _record("download_asked", download, actor)
            broker.enqueue(TASK)
    except IntegrityError:
        raise _invalid("download_exists", "folder", path=str(target)) from None
    return download


def _create(wanted: Wanted, root: Path, actor: Actor) -> Download:
    return Download.objects.create(
        hub=wanted.hub,
        repo=wanted.repo_name,
        revision=wanted.revision.strip(),
        patterns=wanted.patterns,
        root=str(root),
        folder=wanted.folder_name,
        created_by=actor if isinstance(actor, User) else None,
    )


def _root(given: str) -> Path:
    """The first that can be written to, unless one was chosen."""
    roots = list(settings.MODEL_ROOTS)
    if given and (problem := root_problem(Path(given), roots)):
        raise Invalid([problem])
    for root in [Path(given)] if given else roots:
        if _is_writable(root):
            return root
    tried = [given] if given else [str(root) for root in roots]
    raise _invalid("no_writable_root", "root", roots=tried)


def writable_roots() -> list[Path]:
    return [root for root in settings.MODEL_ROOTS if _is_writable(root)]


def _is_writable(root: Path) -> bool:
    return root.is_dir() and os.access(root, os.W_OK | os.X_OK)


def _invalid(code: str, field: str, **params: object) -> Invalid:
    return Invalid([Problem(code=code, field=field, params=params)])


def _record(code: str, download: Download, actor: Actor) -> None:
    record(
        code, actor=actor, params={"repo": download.repo, "path": str(download.path)}
    )


def cancel(download: Download, actor: Actor = None) -> Download:
    """What is here stays for another try, until the download is removed. The process
    that works on it sees it within a second. Raises Conflict."""
    with transaction.atomic():
        rows = Download.objects.filter(pk=download.pk, state__in=DownloadState.OPEN)
        ended = {"finished_at": timezone.now(), "retry_at": None, "beat_at": None}
        if not rows.update(state=DownloadState.CANCELLED, **ended):
            raise _refused(download)
        _record("download_cancelled", download, actor)
        broker.enqueue(TASK)  # the next may begin
    download.refresh_from_db()
    return download


def retry(download: Download, actor: Actor = None) -> Download:
    """Goes on with what is here. Raises Conflict, or Invalid if another one has the
    folder."""
    over = (DownloadState.FAILED, DownloadState.CANCELLED)
    afresh = {"code": "", "params": {}, "idle_attempts": 0, "finished_at": None}
    try:
        with transaction.atomic():
            rows = Download.objects.filter(pk=download.pk, state__in=over)
            if not rows.update(state=DownloadState.QUEUED, claim="", **afresh):
                raise _refused(download)
            _record("download_asked", download, actor)
            broker.enqueue(TASK)
    except IntegrityError:
        path = str(download.path)
        raise _invalid("download_exists", "folder", path=path) from None
    download.refresh_from_db()
    return download


def _refused(download: Download) -> Conflict:
    download.refresh_from_db()
    state = DownloadState(download.state)
    return Conflict("download_not_allowed", repo=download.repo, state=state.label)


def remove(download: Download, actor: Actor = None) -> None:
    """The row, and what is not whole. A process that works on it clears up itself: it
    may be writing."""
    with transaction.atomic():
        deleted, _rows = Download.objects.filter(pk=download.pk).delete()
        if deleted:
            _record("download_removed", download, actor)
    part = folder.part_of(Path(download.root), download.folder, download.uid)
    if download.state not in DownloadState.WORKING:
        folder.discard(part)
    broker.enqueue(TASK)
