"""The latest values: published by the monitor every second, else from history."""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from functools import cache
from typing import Any

import orjson
from django.conf import settings

from common.broker import BrokerError, Client, connect
from monitoring.history.aggregation.bucket_values import merge
from monitoring.live import publish
from monitoring.metrics import METRICS
from monitoring.models import Bucket10s, Source

logger = logging.getLogger(__name__)

# A bucket of 10 s is written when it is complete.
MAX_AGE_S = 60
TIMEOUT_S = 1.0

Measured = dict[str, float | None]


@cache
def client() -> Client:
    """Never retries: a response without live values is better than a late one."""
    return connect(settings.REDIS_URL, TIMEOUT_S)


class LastMessages:
    """The last message of each topic. ok: whether the broker is available."""

    def __init__(self, *topics: str) -> None:
        self.ok = True
        self._messages: dict[str, Any] = {}
        try:
            texts: Any = client().mget(
                [publish.last_message_key(topic) for topic in topics]
            )
        except BrokerError as error:
            logger.warning("broker unavailable, no live values: %s", error)
            self.ok, texts = False, []
        for topic, text in zip(topics, texts, strict=False):
            if text:
                self._messages[topic] = json.loads(text)

    def data(self, topic: str) -> Any:
        return self._messages.get(topic, {}).get("data")


def latest(kind: str) -> dict[str, Measured]:
    """Newest bucket of each source, by key: averages of gauges, rates of counters."""
    since = int(time.time()) - MAX_AGE_S
    sources = dict(Source.objects.filter(kind=kind).values_list("pk", "key"))
    rows = Bucket10s.objects.filter(source__in=sources, start__gte=since)
    buckets: dict[int, list[Any]] = defaultdict(list)
    for pk, start, text in rows.values_list("source_id", "start", "values"):
        buckets[pk].append((start, text))
    return {sources[pk]: _measured(rows) for pk, rows in buckets.items()}


def _measured(rows: list[tuple[int, str]]) -> Measured:
    newest = max(start for start, _ in rows)
    values = merge(orjson.loads(text) for start, text in rows if start == newest)
    measured: Measured = {}
    for name, value in values.items():
        if name in METRICS and isinstance(value, list):
            is_gauge = METRICS[name].kind == "gauge"
            measured[name] = value[2] / (value[3] if is_gauge else Bucket10s.WIDTH_S)
    return measured
