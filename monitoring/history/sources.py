"""Create and update the rows of measured sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitoring.models import Source

SourceKey = tuple[str, str]  # kind and key

# How far last_seen may lag behind, to save a write per source and flush.
REFRESH_S = 60


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """node: empty where the writer does not know it."""

    kind: str
    key: str
    name: str
    node: str

    @property
    def source_key(self) -> SourceKey:
        return self.kind, self.key


@dataclass(frozen=True, slots=True)
class CachedSource:
    id: int
    info: SourceInfo
    metrics: frozenset[str]
    seen_at: int


def names_of(texts: Iterable[str]) -> dict[str, str]:
    """Display names of sources, by "kind:key". One query for each kind."""
    keys: dict[str, list[str]] = {}
    for text in texts:
        kind, _, key = text.partition(":")
        keys.setdefault(kind, []).append(key)
    rows = [
        row
        for kind, some in keys.items()
        for row in Source.objects.filter(kind=kind, key__in=some)
    ]
    return {f"{row.kind}:{row.key}": row.name for row in rows}


class SourceCache:
    """Ids of sources, created on first use. Runs in the caller's transaction; call
    clear() when that fails."""

    def __init__(self) -> None:
        self.cached: dict[SourceKey, CachedSource] = {}

    def clear(self) -> None:
        self.cached = {}

    def resolve(
        self, seen: Iterable[tuple[SourceInfo, frozenset[str]]], now: int
    ) -> dict[SourceKey, int]:
        # All writers use the same order, so that they cannot deadlock.
        for info, metrics in sorted(seen, key=lambda pair: pair[0].source_key):
            if not self._is_fresh(info, metrics, now):
                self._write(info, metrics, now)
        return {source: cached.id for source, cached in self.cached.items()}

    def _is_fresh(self, info: SourceInfo, metrics: frozenset[str], now: int) -> bool:
        cached = self.cached.get(info.source_key)
        return (
            cached is not None
            and cached.info == info
            and metrics <= cached.metrics
            and abs(now - cached.seen_at) < REFRESH_S
        )

    def _write(self, info: SourceInfo, metrics: frozenset[str], now: int) -> None:
        row, created = Source.objects.select_for_update().get_or_create(
            kind=info.kind,
            key=info.key,
            defaults={
                "name": info.name,
                "node": info.node,
                "metrics": sorted(metrics),
                "first_seen": now,
                "last_seen": now,
            },
        )
        if not created:
            row.name, row.node = info.name, info.node or row.node
            row.metrics = sorted({*row.metrics, *metrics})
            row.last_seen = max(row.last_seen, now)
            row.save(update_fields=["name", "node", "metrics", "last_seen"])
        cached = CachedSource(row.pk, info, frozenset(row.metrics), now)
        self.cached[info.source_key] = cached
