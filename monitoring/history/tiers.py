"""Retention of each tier of history."""

from __future__ import annotations

from django.conf import settings

from monitoring.models import (
    TIER_NAMES,
    Bucket,
    Bucket1h,
    Bucket1m,
    Bucket10s,
    Watermark,
)

HOUR_S = 3600
DAY_S = 24 * HOUR_S
# Never deleted, not even to free space: wider tiers are computed from it.
MIN_RETENTION_S: dict[type[Bucket], int] = {
    Bucket10s: 2 * HOUR_S,
    Bucket1m: 2 * DAY_S,
    Bucket1h: 30 * DAY_S,
}


def retention_s(tier: type[Bucket]) -> int:
    configured: dict[type[Bucket], int] = {
        Bucket10s: settings.HISTORY_10S_HOURS * HOUR_S,
        Bucket1m: settings.HISTORY_1M_DAYS * DAY_S,
        Bucket1h: settings.HISTORY_1H_DAYS * DAY_S,
    }
    return max(configured[tier], MIN_RETENTION_S[tier])


def available_since(tier: type[Bucket], now: int) -> int:
    """Older rows of this tier may have been deleted, by age or to free space."""
    return max(now - retention_s(tier), pruned_before(tier))


def pruned_before(tier: type[Bucket]) -> int:
    mark = Watermark.objects.filter(name=_mark(tier)).first()
    return mark.at if mark else 0


def mark_pruned(tier: type[Bucket], before: int) -> None:
    mark, _ = Watermark.objects.get_or_create(name=_mark(tier))
    mark.at = max(mark.at, before)
    mark.save(update_fields=["at"])


def _mark(tier: type[Bucket]) -> str:
    return f"pruned_{TIER_NAMES[tier]}"
