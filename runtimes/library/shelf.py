"""The library of this machine, as it was scanned last.

Each process keeps its own: what has changed in the folders is found by walking through
them, which takes a fraction of the first scan.
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
from runtimes.library.scanner.entries import Entry, Scan
from runtimes.library.scanner.scan import scan
from runtimes.registry import frameworks

# A scan is good for this many times as long as it took, and for this long at least.
TIMES, LEAST_S = 20, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """began, until: by the monotonic clock."""

    scan: Scan
    roots: tuple[str, ...]
    scanned_at: datetime
    began: float
    until: float


_kept: list[Shelf] = []
_lock = Lock()


def library(*, again: bool = False) -> Shelf:
    """again: as it is now. Others that ask meanwhile wait for the same scan."""
    roots, asked_at = tuple(map(str, settings.MODEL_ROOTS)), monotonic()
    with _lock:
        last = next((each for each in _kept if each.roots == roots), None)
        too_old = last is not None and again and last.began < asked_at
        if last is None or too_old or monotonic() > last.until:
            last = _scanned(roots, last.scan.entries if last else ())
            _kept[:] = [last]
        return last


def found(path: str) -> Entry | None:
    entries = library().scan.entries
    return next((entry for entry in entries if entry.path == path), None)


def selected(
    entries: Iterable[Entry], *, framework: str = "", search: str = ""
) -> list[Entry]:
    """search: words, all of which are in the path, architecture or quantisation."""
    words = search.lower().split()
    return [
        entry
        for entry in entries
        if framework in ("", entry.candidate.framework)
        and all(word in _text_of(entry) for word in words)
    ]


def serving(entries: Iterable[Entry]) -> dict[str, list[ServedModel]]:
    """Models that serve an entry already, by its path."""
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


def _scanned(roots: tuple[str, ...], known: tuple[Entry, ...]) -> Shelf:
    began = monotonic()
    result = scan(settings.MODEL_ROOTS, frameworks(), known)
    good_for = max(LEAST_S, TIMES * result.seconds)
    return Shelf(
        scan=result,
        roots=roots,
        scanned_at=timezone.now(),
        began=began,
        until=monotonic() + good_for,
    )


def _text_of(entry: Entry) -> str:
    return f"{entry.path} {entry.architecture} {entry.quantisation}".lower()


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path
