"""What the answers of engines mean for their runs."""

from __future__ import annotations

from collections import Counter

from models_app import clock
from models_app.enums import RunState
from models_app.models import Run
from models_app.runs import ask_to_stop, mark_ready
from monitoring.probes import Answer, Question, Result
from runtimes.registry import driver, framework
from runtimes.watch import handle_of

# A live process that nobody can connect to; slow answers are not counted: busy is not
# dead.
REFUSALS = 5

PROBED = (RunState.STARTING, RunState.READY, RunState.DRAINING)


def question(run: Run) -> Question | None:
    if run.state not in PROBED or run.handle is None:
        return None
    draining = run.state == RunState.DRAINING
    path = "/metrics" if draining else framework(run).ready_path
    return Question(uid=run.uid, url=f"{run.base_url}{path}", key=run.engine_key)


class Health:
    def __init__(self) -> None:
        self.refusals: Counter[str] = Counter()

    def hear(self, run: Run, result: Result) -> None:
        if result.answer != Answer.REFUSED:
            del self.refusals[run.uid]
        if run.state == RunState.STARTING:
            _starting(run, result)
        elif run.state == RunState.DRAINING:
            _draining(run, result)
        elif run.state == RunState.READY and result.answer == Answer.REFUSED:
            self._refused(run)

    def forget_all_but(self, uids: set[str]) -> None:
        for uid in self.refusals.keys() - uids:
            del self.refusals[uid]

    def _refused(self, run: Run) -> None:
        self.refusals[run.uid] += 1
        if self.refusals[run.uid] >= REFUSALS:
            ask_to_stop(run, "hang", {}, drain_s=0)


def _starting(run: Run, result: Result) -> None:
    """Ready only when the listener is ours: another process may have taken the port."""
    if result.answer == Answer.READY and driver(run.driver).listens(
        handle_of(run), run.port
    ):
        mark_ready(run)


def _draining(run: Run, result: Result) -> None:
    busy = framework(run).in_flight(result.body)
    if result.answer != Answer.READY or busy is None:
        return  # not known: the deadline decides
    idle_since = None if busy else run.idle_since or clock.uptime()
    if idle_since != run.idle_since:
        Run.objects.filter(pk=run.pk, state=run.state).update(idle_since=idle_since)
