"""A request for a download: the text that people type, and its checked values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from common.problems import Problem, shorten

NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}"
REPO = re.compile(f"{NAME}/{NAME}")
# Old models of Hugging Face have no owner.
SHORT_REPO = re.compile(f"(?:{NAME}/)?{NAME}")
REVISION = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._/-]{0,99})?")
FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
MAX_PATTERNS = 50
MAX_PATTERN = 200
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRequest:
    """files: patterns, separated by commas or blanks. root, folder: empty for the
    usual ones."""

    hub: str
    repo: str
    revision: str = ""
    files: str = ""
    root: str = ""
    folder: str = ""

    @property
    def repo_name(self) -> str:
        """Without what an address copied from a browser has around it."""
        text = self.repo.strip()
        if "://" not in text:
            return text
        try:
            parts = [part for part in urlsplit(text).path.split("/") if part]
        except ValueError:  # brackets that are no IPv6 address
            return text
        parts = parts[1:] if parts[:1] == ["models"] else parts
        return "/".join(parts[:2])

    @property
    def patterns(self) -> list[str]:
        return re.split(r"[\s,]+", self.files.strip()) if self.files.strip() else []

    @property
    def folder_name(self) -> str:
        return self.folder.strip() or self.repo_name.rpartition("/")[2]


def problems(request: DownloadRequest, endpoint: str) -> Iterator[Problem]:
    """Of the text alone: only the hub knows whether there is such a repository.
    endpoint: URL of the hub."""
    if "://" in request.repo and not _is_at(request.repo.strip(), endpoint):
        given = {"value": shorten(request.repo.strip()), "endpoint": endpoint}
        yield Problem(code="repo_elsewhere", field="repo", params=given)
        return
    repo = REPO if request.hub == "modelscope" else SHORT_REPO
    checks = [
        ("repo", "bad_repo", repo, request.repo_name),
        ("revision", "bad_revision", REVISION, request.revision.strip()),
        ("folder", "bad_folder", FOLDER, request.folder_name),
    ]
    for field, code, allowed, value in checks:
        if not allowed.fullmatch(value) or ".." in value:
            yield Problem(code=code, field=field, params={"value": shorten(value)})
    if len(request.patterns) > MAX_PATTERNS:
        count = {"value": len(request.patterns), "max": MAX_PATTERNS}
        yield Problem(code="too_many_patterns", field="files", params=count)
    for pattern in request.patterns[:MAX_PATTERNS]:
        if len(pattern) > MAX_PATTERN or not pattern.isprintable():
            params = {"value": shorten(pattern), "max": MAX_PATTERN}
            yield Problem(code="bad_pattern", field="files", params=params)


def _is_at(url: str, endpoint: str) -> bool:
    try:
        return _site(url) == _site(endpoint)
    except ValueError:  # brackets that are no IPv6 address, or a bad port
        return False


def _site(url: str) -> tuple[str, int]:
    """Host and port; 0: the default of the scheme. A hub's pages may have a www where
    its API has none."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError(url)
    port = parts.port or 0
    host = (parts.hostname or "").removeprefix("www.")
    return host, 0 if port == DEFAULT_PORTS[parts.scheme] else port


def root_problem(root: Path, roots: list[Path]) -> Problem | None:
    if root in roots:
        return None
    params = {"path": shorten(str(root)), "roots": [str(path) for path in roots]}
    return Problem(code="path_outside_roots", field="root", params=params)
