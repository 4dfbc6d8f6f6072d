"""Times in exports: in the server's time zone, with its offset."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from django.utils import timezone


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.get_default_timezone())


@lru_cache(maxsize=4096)
def iso(seconds: int) -> str:
    return moment(seconds).isoformat()
