"""Write when tokens were used last: each token once a minute."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from django.db import DatabaseError

from models_app.tokens.last_use import write_use

logger = logging.getLogger(__name__)

MINUTE_S = 60


class LastUseWriter:
    """Belongs to one thread, which may block on the database."""

    def __init__(self) -> None:
        self._pending: dict[str, int] = {}
        self._written: dict[str, int] = {}

    def add(self, digests: Iterable[str], at: float) -> None:
        """digests: of tokens used at this time, in seconds since the epoch."""
        minute = int(at) // MINUTE_S * MINUTE_S
        for digest in digests:
            if self._written.get(digest) != minute:
                self._pending[digest] = max(minute, self._pending.get(digest, 0))

    def write(self) -> bool:
        """Returns False if the database failed. The next call tries again."""
        by_minute: dict[int, list[str]] = defaultdict(list)
        for digest, minute in self._pending.items():
            by_minute[minute].append(digest)
        try:
            for minute, digests in by_minute.items():
                write_use(digests, datetime.fromtimestamp(minute, UTC))
        except DatabaseError as error:
            logger.warning("cannot write when tokens were used: %s", error)
            return False
        if by_minute:
            self._written = {**self._kept(max(by_minute)), **self._pending}
            self._pending = {}
        return True

    def _kept(self, minute: int) -> dict[str, int]:
        return {k: v for k, v in self._written.items() if v == minute}
