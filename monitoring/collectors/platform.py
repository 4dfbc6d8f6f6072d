"""Values of the platform itself, and of models as their rows describe them: what
alerts are about that no sensor measures."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from django.conf import settings
from django.utils import timezone

from common.messages import find
from models_app.enums import RunState, Status
from models_app.models import ApiToken, Run, ServedModel
from monitoring.history import rollup
from monitoring.models import Watermark

logger = logging.getLogger(__name__)

Values = dict[str, float | None]

COUNTED_STATUSES = (Status.RUNNING, Status.WAITING, Status.ERROR)
# Tokens and certificates expire by the day; both cost a query or a file.
SLOW_S = 60
STOPPED_S = 60.0


class PlatformCollector:
    """details: by metric, what its value is about, such as the name of a token."""

    def __init__(self) -> None:
        self.models: list[tuple[int, str, str]] = []
        self.details: dict[str, str] = {}
        self.waiting: dict[int, float] = {}
        self.ended_until = timezone.now()
        self.failures: Counter[int] = Counter()
        self.silence: float | None = None
        self.active: dict[int, float] = {}
        self.slow: Values = {}
        self.slow_at = 0.0

    def load(self) -> None:
        """Raises DatabaseError; the last values then stay."""
        rows = list(
            ServedModel.objects.values_list("pk", "name", "status", "waiting_since")
        )
        now = timezone.now()
        self.waiting = {
            pk: (now - since).total_seconds()
            for pk, _name, status, since in rows
            if status == Status.WAITING and since
        }
        self.models = [(pk, name, status) for pk, name, status, _since in rows]
        self.failures = self._new_failures()
        self.silence = worker_silence()
        if time.monotonic() >= self.slow_at:
            self.slow_at = time.monotonic() + SLOW_S
            self.slow = {
                "token_expiry": self._token_expiry(),
                "certificate_expiry": self._certificate_expiry(),
            }

    def _new_failures(self) -> Counter[int]:
        """Of runs that ended since the last call."""
        failures: Counter[int] = Counter()
        ended = Run.objects.filter(state=RunState.ENDED, ended_at__gt=self.ended_until)
        for at, model_id, code in ended.values_list("ended_at", "model_id", "end_code"):
            self.ended_until = max(self.ended_until, at or self.ended_until)
            failures[model_id] += find(code).retry.is_failure
        return failures

    def of_models(self) -> Iterable[tuple[int, str, Values]]:
        """Models at work, and a minute longer: that an error is over is a value too."""
        now = time.monotonic()
        for pk, name, status in self.models:
            if status != Status.STOPPED:
                self.active[pk] = now
            if now - self.active.get(pk, -STOPPED_S) >= STOPPED_S:
                self.active.pop(pk, None)
                continue
            values: Values = {
                "model_error": float(status == Status.ERROR),
                "model_waiting_time": self.waiting.get(pk, 0.0),
                "model_failures": float(self.failures[pk]),
            }
            yield pk, name, values

    def of_platform(self, *, is_paused: bool) -> Values:
        """is_paused: history is not written for lack of disk space."""
        counts = Counter(status for _, _, status in self.models)
        return {
            **{f"models_{status}": counts[status] for status in COUNTED_STATUSES},
            "worker_silence": self.silence,
            "history_paused": float(is_paused),
            **self.slow,
        }

    def _token_expiry(self) -> float | None:
        """Of the next one; those that have expired are past warning."""
        now = timezone.now()
        coming = ApiToken.objects.filter(expiry__gt=now, user__is_active=True)
        token = coming.order_by("expiry").first()
        self.details["token_expiry"] = token.name if token else ""
        return (token.expiry - now).total_seconds() if token and token.expiry else None

    def _certificate_expiry(self) -> float | None:
        expiries = [
            (seconds, path)
            for path in settings.CERTIFICATE_FILES
            if (seconds := certificate_expiry(path)) is not None
        ]
        seconds, path = min(expiries, default=(None, ""))
        self.details["certificate_expiry"] = str(path)
        return seconds


def worker_silence() -> float | None:
    """Seconds since the worker last rolled history up, which it does every minute.
    None: it never has."""
    mark = Watermark.objects.filter(name=rollup.MARK).first()
    return max(0.0, time.time() - mark.at) if mark and mark.at else None


def certificate_expiry(path: Path) -> float | None:
    """Seconds until the first certificate of a PEM file expires. None: unreadable,
    which is logged."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        logger.warning("certificate %s cannot be read: %s", path, error)
        return None
    return (certificate.not_valid_after_utc - timezone.now()).total_seconds()
