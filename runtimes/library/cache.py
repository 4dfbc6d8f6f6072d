"""The last scan of the model folders, kept by each process.

Walking through the folders to find what has changed takes a fraction of a first scan.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic

from django.conf import settings
from django.utils import timezone

from models_app.models import ServedModel
from runtimes.frameworks.mounts import mounts
from runtimes.library.scanner.entries import Entry, Scan
from runtimes.library.scanner.scan import scan
from runtimes.registry import frameworks

# A scan is valid for so many times as long as it took, at least so many seconds.
VALID_TIMES, VALID_S = 20, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedScan:
    """started_at, valid_until: by the monotonic clock."""

    result: Scan
    roots: tuple[str, ...]
    scanned_at: datetime
    started_at: float
    valid_until: float


_cache: list[CachedScan] = []
_lock = Lock()


def cached_scan(*, refresh: bool = False) -> CachedScan:
    """refresh: scan the folders as they are now. Concurrent callers share a scan."""
    roots, called_at = tuple(map(str, settings.MODEL_ROOTS)), monotonic()
    with _lock:
        last = next((each for each in _cache if each.roots == roots), None)
        outdated = last is not None and refresh and last.started_at < called_at
        if last is None or outdated or monotonic() > last.valid_until:
            last = _scan(roots, last.result.entries if last else ())
            _cache[:] = [last]
        return last


def find_entry(path: str) -> Entry | None:
    entries = cached_scan().result.entries
    return next((entry for entry in entries if entry.path == path), None)


def filter_entries(
    entries: Iterable[Entry], *, framework: str = "", search: str = ""
) -> list[Entry]:
    """search: terms, all of which are in the path, architecture or quantisation."""
    terms = search.lower().split()
    return [
        entry
        for entry in entries
        if framework in ("", entry.candidate.framework)
        and all(term in _text_of(entry) for term in terms)
    ]


def models_by_path(entries: Iterable[Entry]) -> dict[str, list[ServedModel]]:
    """Models that already serve an entry, by its path."""
    models: dict[str, list[ServedModel]] = {}
    known = frameworks()
    for model in ServedModel.objects.only("name", "framework", "config").order_by(
        "name"
    ):
        rules = known.get(model.framework)
        served = model.config.get(rules.model_key) if rules else None
        if isinstance(served, str):
            models.setdefault(_real(served), []).append(model)
    return {entry.path: models.get(_real(entry.path), []) for entry in entries}


def _scan(roots: tuple[str, ...], known: tuple[Entry, ...]) -> CachedScan:
    started_at = monotonic()
    result = scan(settings.MODEL_ROOTS, frameworks(), known)
    return CachedScan(
        result=result,
        roots=roots,
        scanned_at=timezone.now(),
        started_at=started_at,
        valid_until=monotonic() + max(VALID_S, VALID_TIMES * result.seconds),
    )


def _text_of(entry: Entry) -> str:
    return f"{entry.path} {entry.architecture} {entry.quantisation}".lower()


def _real(path: str) -> str:
    if mounts.hung(path):
        return path
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path
