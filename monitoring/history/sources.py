"""Rows of what is measured, kept up to date by whoever writes history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitoring.models import Source

Key = tuple[str, str]  # kind and key

# How far last_seen may lag behind: it saves a write per source and flush.
REFRESH_S = 60


@dataclass(frozen=True, slots=True)
class Described:
    """node: empty where the writer does not know it."""

    kind: str
    key: str
    name: str
    node: str

    @property
    def source(self) -> Key:
        return self.kind, self.key


@dataclass(frozen=True, slots=True)
class Known:
    id: int
    described: Described
    metrics: frozenset[str]
    seen: int


class Sources:
    """Ids of sources, made at first sight. Within the caller's transaction: when that
    fails, forget()."""

    def __init__(self) -> None:
        self.known: dict[Key, Known] = {}

    def forget(self) -> None:
        self.known = {}

    def ids(
        self, seen: Iterable[tuple[Described, frozenset[str]]], now: int
    ) -> dict[Key, int]:
        # In one order everywhere: two writers then wait for each other, not both.
        for described, metrics in sorted(seen, key=lambda pair: pair[0].source):
            if not self._is_fresh(described, metrics, now):
                self._write(described, metrics, now)
        return {source: known.id for source, known in self.known.items()}

    def _is_fresh(
        self, described: Described, metrics: frozenset[str], now: int
    ) -> bool:
        known = self.known.get(described.source)
        return (
            known is not None
            and known.described == described
            and metrics <= known.metrics
            and abs(now - known.seen) < REFRESH_S
        )

    def _write(self, described: Described, metrics: frozenset[str], now: int) -> None:
        row, created = Source.objects.select_for_update().get_or_create(
            kind=described.kind,
            key=described.key,
            defaults={
                "name": described.name,
                "node": described.node,
                "metrics": sorted(metrics),
                "first_seen": now,
                "last_seen": now,
            },
        )
        if not created:
            row.name, row.node = described.name, described.node or row.node
            row.metrics = sorted({*row.metrics, *metrics})
            row.last_seen = max(row.last_seen, now)
            row.save(update_fields=["name", "node", "metrics", "last_seen"])
        known = Known(row.pk, described, frozenset(row.metrics), now)
        self.known[described.source] = known
