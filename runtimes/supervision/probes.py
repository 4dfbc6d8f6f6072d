"""Probes engines over HTTP, several at once, without waiting for any of them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

import urllib3
from urllib3._request_methods import RequestMethods

from runtimes.supervision.unix_http import UnixPool

TIMEOUT = urllib3.Timeout(connect=1, read=2)


class Outcome(Enum):
    READY = "ready"  # 200
    LOADING = "loading"  # any other status: it listens, but does not serve yet
    REFUSED = "refused"  # nothing listens
    SLOW = "slow"  # no answer in time: probably busy


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    uid: str
    url: str
    key: str
    socket: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    outcome: Outcome
    body: str = ""


class Probes:
    """submit() starts a probe unless one of that run is still open; results() returns
    those that have finished since the last call."""

    def __init__(self) -> None:
        self.http = urllib3.PoolManager(num_pools=64, maxsize=2, retries=False)
        self.threads = ThreadPoolExecutor(8, thread_name_prefix="probe")
        self.open: dict[str, Future[Result]] = {}

    def submit(self, probe: Probe) -> None:
        if probe.uid not in self.open:
            self.open[probe.uid] = self.threads.submit(self._get, probe)

    def results(self) -> dict[str, Result]:
        done = {uid: future for uid, future in self.open.items() if future.done()}
        for uid in done:
            del self.open[uid]
        return {uid: future.result() for uid, future in done.items()}

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.http.clear()

    def _get(self, probe: Probe) -> Result:
        try:
            if not probe.socket:
                return self._result(self.http, probe.url, probe)
            with UnixPool(probe.socket) as http:
                return self._result(http, urlsplit(probe.url).path, probe)
        except urllib3.exceptions.NewConnectionError:
            return Result(outcome=Outcome.REFUSED)
        except urllib3.exceptions.HTTPError:
            return Result(outcome=Outcome.SLOW)

    def _result(self, http: RequestMethods, target: str, probe: Probe) -> Result:
        reply = http.request(
            "GET",
            target,
            headers={"Authorization": f"Bearer {probe.key}"},
            timeout=TIMEOUT,
            redirect=False,
            retries=False,
        )
        if reply.status != 200:
            return Result(outcome=Outcome.LOADING)
        return Result(outcome=Outcome.READY, body=reply.data.decode(errors="replace"))
