"""Delete history by age, and the oldest of it when there is too much."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Avg, Min, QuerySet
from django.db.models.functions import Length

from monitoring.history.rollup import rolled_up_until
from monitoring.history.tiers import HOUR_S, MIN_RETENTION_S, mark_pruned, retention_s
from monitoring.models import TIERS, Bucket, Source

logger = logging.getLogger(__name__)

MIB = 2**20
# Rows deleted per transaction: other writers wait some tens of milliseconds.
CHUNK = 5000
# Rows written this long ago have been rolled up. Rows written later with an old start
# come from a clock that jumped back and may still be rolled up.
SETTLED_S = 2 * HOUR_S
# Per row, besides its values: columns, headers and index. Measured: 115 bytes on
# SQLite, 170 bytes on PostgreSQL.
OVERHEAD_BYTES = 150
SAMPLE = 1000


def prune(now: float | None = None) -> int:
    """Number of deleted rows. Can be killed at any point; the next run continues."""
    at = int(time.time() if now is None else now)
    settled = rolled_up_until() - SETTLED_S
    deleted = sum(
        _delete_before(tier, at - retention_s(tier), settled) for tier in TIERS
    )
    deleted += sum(_free_space(tier, at) for tier in TIERS)
    unseen_since = at - max(map(retention_s, TIERS))
    Source.objects.filter(last_seen__lt=unseen_since).delete()
    if deleted:
        logger.info("history: %d rows removed", deleted)
    return deleted


def size_mib() -> float:
    """An estimate: neither database knows the size of a table without reading it."""
    return sum(_rows(tier) * _row_bytes(tier) for tier in TIERS) / MIB


def _free_space(tier: type[Bucket], now: int) -> int:
    """Delete the oldest rows of this tier, as far as needed and allowed."""
    deleted = 0
    newest_allowed = now - MIN_RETENTION_S[tier]
    while (excess := size_mib() - settings.HISTORY_MAX_MIB) > 0:
        oldest = tier.objects.aggregate(oldest=Min("start"))["oldest"]
        if oldest is None or oldest >= newest_allowed:
            break
        share = excess * MIB / (_rows(tier) * _row_bytes(tier))
        step = max(tier.WIDTH_S, int((now - oldest) * share))
        cutoff = min(oldest + step, newest_allowed)
        deleted += _delete_before(tier, cutoff, settled=now + 1)
    return deleted


def delete_source(source: Source) -> None:
    """Delete a source with all of its history."""
    for tier in TIERS:
        _delete(tier.objects.filter(source=source))
    source.delete()


def _delete_before(tier: type[Bucket], cutoff: int, settled: int) -> int:
    """Deletes source by source, in the order of the index."""
    # Before deleting, so that queries and the roll-up stop relying on these rows.
    mark_pruned(tier, cutoff)
    old = tier.objects.filter(start__lt=cutoff, touched__lt=settled)
    sources = Source.objects.values_list("pk", flat=True)
    return sum(_delete(old.filter(source=source)) for source in sources)


def _delete(rows: QuerySet[Any]) -> int:
    deleted = 0
    ids = rows.order_by("start").values_list("pk", flat=True)
    while chunk := list(ids[:CHUNK]):
        with transaction.atomic():
            rows.model._default_manager.filter(pk__in=chunk).delete()
        deleted += len(chunk)
    return deleted


def _rows(tier: type[Bucket]) -> int:
    return int(tier.objects.count())


def _row_bytes(tier: type[Bucket]) -> float:
    newest = tier.objects.order_by("-pk")[:SAMPLE]
    mean = newest.aggregate(mean=Avg(Length("values")))["mean"]
    return float(mean or 0) + OVERHEAD_BYTES
