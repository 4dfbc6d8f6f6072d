"""What requests were, told once a second: to the database for good, and to the broker
for those who look just now.

Belongs to the event loop of its first use. A process that is killed loses the last
second; a database or broker that is away costs requests nothing.
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
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.routes.cache import Refresh
from gateway.usage.history import History, Step
from gateway.usage.tracker import Accounting, Counts
from models_app.enums import Status
from monitoring.history.recorder import Recorder
from monitoring.live import traffic

logger = logging.getLogger(__name__)

STEP_S = 1.0
# Steps that wait for a database which does not even refuse; later ones become one.
QUEUED = 600
BROKER_PATIENCE_S = 0.5
BROKER_PAUSE_S = 5.0
FAREWELL_S = 5.0


class Recording:
    def __init__(
        self,
        accounting: Accounting,
        refresh: Refresh,
        recorder: Recorder,
        broker_url: str,
        step_s: float = STEP_S,
    ) -> None:
        self._accounting = accounting
        self._refresh = refresh
        self._history = History(recorder)
        self._broker_url = broker_url
        self._step_s = step_s
        self._writer = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._names: dict[int, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._broker_away = False
        self._silent_until = 0.0
        self._taken_at = time.monotonic()

    def start(self) -> None:
        if self._task is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-history")
            self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """After the last request: writes what is left. redis-py swallows a cancellation
        that comes while it connects, so the task may need more than one."""
        if self._task is None:
            return
        while not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.01)
        self._task = None
        self._history.steps.append(self._taken())
        last = self._thread.submit(self._history.write, at_once=True)
        self._thread.submit(connections.close_all)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(last), FAREWELL_S)
        self._thread.shutdown(wait=False)

    async def _keep(self) -> None:
        broker = Redis.from_url(
            self._broker_url,
            socket_timeout=BROKER_PATIENCE_S,
            socket_connect_timeout=BROKER_PATIENCE_S,
            retry=Retry(NoBackoff(), 0),
        )
        loop = asyncio.get_running_loop()
        async with broker:
            due = loop.time()
            while True:
                due = max(due + self._step_s, loop.time())
                await asyncio.sleep(due - loop.time())
                await self._step(broker)

    async def _step(self, broker: Redis) -> None:
        if len(self._history.steps) < QUEUED:
            began = self._taken_at
            step = self._taken()
            self._history.steps.append(step)
            self._write()
            await self._tell(broker, step, self._taken_at - began)

    def _taken(self) -> Step:
        self._taken_at = time.monotonic()
        counts = self._accounting.take()
        table = self._refresh.table
        routes = table.by_id.values() if table else ()
        self._names |= {route.model_id: route.name for route in routes}
        idle = {r.model_id: Counts() for r in routes if r.status == Status.RUNNING}
        return Step(time.time(), {**idle, **counts}, dict(self._names))

    def _write(self) -> None:
        if self._writing is None or self._writing.done():
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(self._thread, self._history.write)

    async def _tell(self, broker: Redis, step: Step, seconds: float) -> None:
        if time.monotonic() < self._silent_until:
            return
        told = traffic.Told(round(step.at, 3), round(seconds, 3), _busy(step.counts))
        try:
            await broker.hset(traffic.KEY, self._writer, told.packed())
        except Exception as error:
            # Whatever it is, counting goes on.
            self._miss_broker(error)
        else:
            self._broker_away = False

    def _miss_broker(self, error: Exception) -> None:
        if not self._broker_away:
            logger.warning("broker: %s; live traffic is not shown", error)
        self._broker_away = True
        self._silent_until = time.monotonic() + BROKER_PAUSE_S


def _busy(counts: Mapping[int, Counts]) -> dict[str, traffic.ModelTraffic]:
    return {
        str(model_id): _told(each)
        for model_id, each in counts.items()
        if each.requests or each.in_flight or each.request_seconds_in_flight
    }


def _told(counts: Counts) -> traffic.ModelTraffic:
    told: traffic.ModelTraffic = {
        "requests": counts.requests,
        "errors": counts.errors,
        "in_flight": counts.in_flight,
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
    }
    times = counts.durations.get("response_time")
    if isinstance(times, dict):
        told["response_time"] = times
    return told
