"""When each token was used last, to the minute.

Written at most once a minute and token. Only people read it: nothing is announced or
recorded as activity, and no request fails because it cannot be written.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from models_app.models import ApiToken

logger = logging.getLogger(__name__)


def record_use(tokens: Iterable[ApiToken]) -> None:
    """tokens: in use now, as just read from the database."""
    minute = to_minute(timezone.now())
    due = [t.pk for t in tokens if t.last_used_at is None or t.last_used_at < minute]
    if not due:
        return
    try:
        write_use(due, minute)
    except DatabaseError as error:
        logger.warning("cannot write when tokens were used: %s", error)


def write_use(digests: Collection[str], minute: datetime) -> None:
    """Never moves the time of a token back. Raises DatabaseError."""
    is_older = Q(last_used_at=None) | Q(last_used_at__lt=minute)
    tokens = ApiToken.objects.filter(is_older, digest__in=digests)
    with transaction.atomic():
        tokens.update(last_used_at=minute)


def to_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
