"""Accept requests for downloads."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from common import jobs
from common.exceptions import AlreadyExists, Invalid
from common.problems import Problem
from models_app.activity import Actor
from runtimes.downloads.request import DownloadRequest, problems, root_problem
from runtimes.enums import DownloadState
from runtimes.frameworks.mounts import mounts
from runtimes.models import Download

MAX_OPEN = 50


def submit(request: DownloadRequest, actor: Actor = None) -> Download:
    """Raises Invalid, or AlreadyExists for a folder that is there or being filled."""
    endpoint, _ = settings.HUBS[request.hub]
    if found := list(problems(request, endpoint)):
        raise Invalid(found)
    root = _root(request.root)
    target = root / request.folder_name
    if os.path.lexists(target):
        raise AlreadyExists([_problem("folder_exists", "folder", path=str(target))])
    if Download.objects.filter(state__in=DownloadState.OPEN).count() >= MAX_OPEN:
        raise Invalid([_problem("too_many_downloads", "repo", max=MAX_OPEN)])
    download = Download(
        hub=request.hub,
        repo=request.repo_name,
        revision=request.revision.strip(),
        patterns=request.patterns,
        root=str(root),
        folder=request.folder_name,
    )
    return jobs.submit(download, actor)


def writable_roots() -> list[Path]:
    return [root for root in settings.MODEL_ROOTS if _is_writable(root)]


def _root(given: str) -> Path:
    """The first writable one, unless one was chosen."""
    roots = list(settings.MODEL_ROOTS)
    if given and (problem := root_problem(Path(given), roots)):
        raise Invalid([problem])
    candidates = [Path(given)] if given else roots
    for root in candidates:
        if _is_writable(root):
            return root
    tried = [str(root) for root in candidates]
    raise Invalid([_problem("no_writable_root", "root", roots=tried)])


def _is_writable(root: Path) -> bool:
    return (
        not mounts.hung(root) and root.is_dir() and os.access(root, os.W_OK | os.X_OK)
    )


def _problem(code: str, field: str, **params: object) -> Problem:
    return Problem(code=code, field=field, params=params)
