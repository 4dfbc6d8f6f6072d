"""Ask engines over HTTP how they are, several at once, without ever waiting for one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum

import urllib3

TIMEOUT = urllib3.Timeout(connect=1, read=2)


class Answer(Enum):
    READY = "ready"  # 200
    LOADING = "loading"  # any other status: somebody listens, but does not serve yet
    REFUSED = "refused"  # nobody listens
    SLOW = "slow"  # no answer in time: busy, for all one can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    uid: str
    url: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    answer: Answer
    body: str = ""


class Probes:
    """ask() starts a question unless one for that run is still open; results() gives
    what has come in since the last call."""

    def __init__(self) -> None:
        self.http = urllib3.PoolManager(num_pools=64, maxsize=2, retries=False)
        self.threads = ThreadPoolExecutor(8, thread_name_prefix="probe")
        self.open: dict[str, Future[Result]] = {}

    def ask(self, question: Question) -> None:
        if question.uid not in self.open:
            self.open[question.uid] = self.threads.submit(self._get, question)

    def results(self) -> dict[str, Result]:
        done = {uid: future for uid, future in self.open.items() if future.done()}
        for uid in done:
            del self.open[uid]
        return {uid: future.result() for uid, future in done.items()}

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.http.clear()

    def _get(self, question: Question) -> Result:
        headers = {"Authorization": f"Bearer {question.key}"}
        try:
            reply = self.http.request(
                "GET", question.url, headers=headers, timeout=TIMEOUT, redirect=False
            )
        except urllib3.exceptions.NewConnectionError:
            return Result(answer=Answer.REFUSED)
        except urllib3.exceptions.HTTPError:
            return Result(answer=Answer.SLOW)
        if reply.status != 200:
            return Result(answer=Answer.LOADING)
        return Result(answer=Answer.READY, body=reply.data.decode(errors="replace"))
