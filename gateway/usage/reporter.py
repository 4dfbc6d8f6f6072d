"""Report usage once a second: to history in the database, and to the live view through
the broker.

Belongs to the event loop of its first use. A killed process loses the last second of
counts. Losing the database or the broker does not affect requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from common.broker import AsyncClient, connect_async
from gateway.routes.cache import RouteCache
from gateway.usage.history import HistoryWriter, Interval
from gateway.usage.tracker import Counts, UsageTracker
from models_app.enums import Status
from monitoring.history.recorder import Recorder
from monitoring.live import traffic

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0
# Intervals queued while the database hangs. Once the queue is full, counts keep adding
# up into one longer interval.
MAX_QUEUED = 600
BROKER_TIMEOUT_S = 0.5
BROKER_RETRY_S = 5.0
CLOSE_TIMEOUT_S = 5.0


class UsageReporter:
    def __init__(
        self,
        tracker: UsageTracker,
        routes: RouteCache,
        recorder: Recorder,
        broker_url: str,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._tracker = tracker
        self._routes = routes
        self._history = HistoryWriter(recorder)
        self._broker_url = broker_url
        self._interval_s = interval_s
        self._writer = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._names: dict[int, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._is_broker_down = False
        self._broker_retry_at = 0.0
        self._drained_at = time.monotonic()

    def start(self) -> None:
        if self._task is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-history")
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Call after the last request; writes what is left. redis-py swallows a
        cancellation while it connects, so the task may need several."""
        if self._task is None:
            return
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.01)
        self._task = None
        self._history.queue.append(self._next_interval())
        last = self._thread.submit(self._history.write, force=True)
        self._thread.submit(connections.close_all)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await asyncio.wrap_future(last)
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        broker = connect_async(self._broker_url, BROKER_TIMEOUT_S)
        loop = asyncio.get_running_loop()
        async with broker:
            due = loop.time()
            while True:
                due = max(due + self._interval_s, loop.time())
                await asyncio.sleep(due - loop.time())
                await self._report(broker)

    async def _report(self, broker: AsyncClient) -> None:
        if len(self._history.queue) < MAX_QUEUED:
            start = self._drained_at
            interval = self._next_interval()
            self._history.queue.append(interval)
            self._write()
            await self._publish(broker, interval, self._drained_at - start)

    def _next_interval(self) -> Interval:
        self._drained_at = time.monotonic()
        counts = self._tracker.drain()
        table = self._routes.table
        routes = table.by_id.values() if table else ()
        self._names |= {route.model_id: route.name for route in routes}
        idle = {r.model_id: Counts() for r in routes if r.status == Status.RUNNING}
        usage = self._tracker.by_token.drain()
        digests, self._tracker.digests = self._tracker.digests, set()
        return Interval(
            time.time(), {**idle, **counts}, dict(self._names), usage, digests
        )

    def _write(self) -> None:
        if self._writing is None or self._writing.done():
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(self._thread, self._history.write)

    async def _publish(
        self, broker: AsyncClient, interval: Interval, seconds: float
    ) -> None:
        if time.monotonic() < self._broker_retry_at:
            return
        models = _active_models(interval.counts)
        report = traffic.TrafficReport(round(interval.at, 3), round(seconds, 3), models)
        try:
            await broker.hset(traffic.KEY, self._writer, report.encode())
        except Exception as error:
            # Whatever the cause, counting continues.
            self._log_broker_error(error)
        else:
            self._is_broker_down = False

    def _log_broker_error(self, error: Exception) -> None:
        if not self._is_broker_down:
            logger.warning("broker unavailable, live traffic is not shown: %s", error)
        self._is_broker_down = True
        self._broker_retry_at = time.monotonic() + BROKER_RETRY_S


def _active_models(counts: Mapping[int, Counts]) -> dict[str, traffic.ModelTraffic]:
    return {
        str(model_id): _traffic(each)
        for model_id, each in counts.items()
        if each.requests or each.in_flight or each.request_seconds_in_flight
    }


def _traffic(counts: Counts) -> traffic.ModelTraffic:
    model_traffic: traffic.ModelTraffic = {
        "requests": counts.requests,
        "errors": counts.errors,
        "in_flight": counts.in_flight,
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
    }
    times = counts.durations.get("response_time")
    if isinstance(times, dict):
        model_traffic["response_time"] = times
    return model_traffic
