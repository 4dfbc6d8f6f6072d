"""What gateways tell through the broker, as pages show it."""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from typing import Any, cast

from common.broker import BrokerError, connect
from monitoring.history.aggregation import bucket_values, histogram
from monitoring.live import traffic
from monitoring.live.traffic import Told

logger = logging.getLogger(__name__)

WINDOW_S = 10.0
TIMEOUT_S = 0.5
PAUSE_S = 5.0

Shown = dict[str, float | None]


class WatchedTraffic:
    def __init__(self, broker_url: str) -> None:
        self._broker = connect(broker_url, TIMEOUT_S)
        self._seen: dict[bytes, float] = {}
        self._times: dict[str, deque[tuple[float, bucket_values.Values]]] = defaultdict(
            deque
        )
        self._silent_until = 0.0
        self._away = False

    def read(self, now: float) -> dict[str, Shown]:
        """By str(id) of the model; empty while the broker is away."""
        told = self._told(now)
        for writer, each in told.items():
            if self._seen.get(writer) != each.at:
                self._remember(each, now)
        self._seen = {writer: each.at for writer, each in told.items()}
        rates = traffic.rates(told.values())
        return {model: self._shown(model, each) for model, each in rates.items()}

    def p95(self, model: str, now: float) -> float | None:
        times = self._times.get(model)
        while times and times[0][0] < now - WINDOW_S:
            times.popleft()
        if not times:
            self._times.pop(model, None)
            return None
        merged = bucket_values.merge(values for _, values in times)
        held = cast("bucket_values.Distribution", merged["response_time"])
        return histogram.quantile(held["counts"], 0.95)

    def close(self) -> None:
        self._broker.close()

    def _told(self, now: float) -> dict[bytes, Told]:
        if time.monotonic() < self._silent_until:
            return {}
        try:
            fields = cast("dict[bytes, bytes]", self._broker.hgetall(traffic.KEY))
            if gone := traffic.gone(fields, now):
                cast("Any", self._broker).hdel(traffic.KEY, *gone)
        except BrokerError as error:
            self._miss_broker(error)
            return {}
        self._away = False
        return traffic.read(fields, now)

    def _miss_broker(self, error: BrokerError) -> None:
        if not self._away:
            logger.warning("broker: %s; traffic is not known", error)
        self._away = True
        self._silent_until = time.monotonic() + PAUSE_S

    def _remember(self, told: Told, now: float) -> None:
        for model, each in told.models.items():
            if "response_time" in each:
                values: bucket_values.Values = {"response_time": each["response_time"]}
                self._times[model].append((now, values))

    def _shown(self, model: str, rates: dict[str, float]) -> Shown:
        return {
            "requests_per_s": rates.get("requests", 0),
            "errors_per_s": rates.get("errors", 0),
            "tokens_per_s": rates.get("completion_tokens", 0),
            "concurrency": rates.get("in_flight", 0),
        }
