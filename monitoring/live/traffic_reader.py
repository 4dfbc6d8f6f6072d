"""Read the traffic that gateways report, as shown on pages."""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from typing import Any, cast

from common.broker import BrokerError, connect
from monitoring.history.aggregation import histogram
from monitoring.history.aggregation.bucket_values import Distribution, Values, merge
from monitoring.live import traffic
from monitoring.live.traffic import TrafficReport

logger = logging.getLogger(__name__)

WINDOW_S = 10.0
TIMEOUT_S = 0.5
RETRY_S = 5.0

LiveValues = dict[str, float | None]


class TrafficReader:
    def __init__(self, broker_url: str) -> None:
        self._broker = connect(broker_url, TIMEOUT_S)
        self._last_read: dict[bytes, float] = {}
        self._durations: dict[str, deque[tuple[float, Values]]] = defaultdict(deque)
        self._retry_at = 0.0
        self._is_broker_down = False

    def read(self, now: float) -> dict[str, LiveValues]:
        """By str(id) of the model; empty while the broker is down."""
        reports = self._read_reports(now)
        for writer, report in reports.items():
            if self._last_read.get(writer) != report.at:
                self._add_durations(report, now)
        self._last_read = {writer: report.at for writer, report in reports.items()}
        rates = traffic.rates(reports.values())
        return {model: _live_values(values) for model, values in rates.items()}

    def p95(self, model: str, now: float) -> float | None:
        durations = self._durations.get(model)
        while durations and durations[0][0] < now - WINDOW_S:
            durations.popleft()
        if not durations:
            self._durations.pop(model, None)
            return None
        merged = merge(values for _, values in durations)
        distribution = cast("Distribution", merged["response_time"])
        return histogram.quantile(distribution["counts"], 0.95)

    def close(self) -> None:
        self._broker.close()

    def _read_reports(self, now: float) -> dict[bytes, TrafficReport]:
        if time.monotonic() < self._retry_at:
            return {}
        try:
            fields = cast("dict[bytes, bytes]", self._broker.hgetall(traffic.KEY))
            if expired := traffic.expired_writers(fields, now):
                cast("Any", self._broker).hdel(traffic.KEY, *expired)
        except BrokerError as error:
            self._log_broker_error(error)
            return {}
        self._is_broker_down = False
        return traffic.fresh_reports(fields, now)

    def _log_broker_error(self, error: BrokerError) -> None:
        if not self._is_broker_down:
            logger.warning("broker unavailable, live traffic is unknown: %s", error)
        self._is_broker_down = True
        self._retry_at = time.monotonic() + RETRY_S

    def _add_durations(self, report: TrafficReport, now: float) -> None:
        for model, counts in report.models.items():
            if "response_time" in counts:
                distribution = counts["response_time"]
                values: Values = {"response_time": distribution}
                self._durations[model].append((now, values))


def _live_values(rates: dict[str, float]) -> LiveValues:
    return {
        "requests_per_s": rates.get("requests", 0),
        "errors_per_s": rates.get("errors", 0),
        "tokens_per_s": rates.get("completion_tokens", 0),
        "concurrency": rates.get("in_flight", 0),
    }
