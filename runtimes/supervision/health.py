"""What the answers of engines mean for their runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from django.conf import settings

from common import clock
from models_app.enums import RunState
from models_app.models import Run
from models_app.runs import ask_to_stop, mark_ready
from runtimes.frameworks.metrics import EngineMetrics
from runtimes.registry import driver, framework
from runtimes.supervision.hang_detector import Pulse
from runtimes.supervision.load import Loads
from runtimes.supervision.mass_failure import Brake
from runtimes.supervision.observe import handle_of
from runtimes.supervision.probes import Answer, Question, Result

# A live process that nobody can connect to.
REFUSALS = 5

PROBED = (RunState.STARTING, RunState.READY, RunState.DRAINING)


def question(run: Run) -> Question | None:
    """Once it serves, an engine is asked for its metrics: unlike its health, they tell
    whether it works."""
    if run.state not in PROBED or run.handle is None:
        return None
    url = f"{run.base_url}{_path(run)}"
    return Question(uid=run.uid, url=url, key=run.engine_key)


def _path(run: Run) -> str:
    rules = framework(run.framework)
    if run.state == RunState.STARTING:
        return rules.ready_path(run.config)
    draining = run.state == RunState.DRAINING
    return (rules.idle_path if draining else rules.metrics_path)(run.config)


class Health:
    def __init__(self) -> None:
        self.refusals: Counter[str] = Counter()
        self.pulses: dict[str, Pulse] = {}
        self.loads = Loads()
        self.brake = Brake()

    def hear(self, run: Run, result: Result) -> EngineMetrics | None:
        """What the engine said of itself, if it serves."""
        if result.answer != Answer.REFUSED:
            del self.refusals[run.uid]
        if run.state == RunState.STARTING:
            _starting(run, result)
        elif run.state == RunState.DRAINING:
            _draining(run, result)
        elif run.state == RunState.READY:
            return self._ready(run, result, clock.uptime())
        return None

    def act(self, runs: Collection[Run]) -> None:
        """Stop those that hang; the scheduler starts them anew."""
        ready = {run.uid: run for run in runs if run.state == RunState.READY}
        suspects = [uid for uid in ready if self._hangs(uid)]
        for uid in self.brake.released(suspects, ready, clock.uptime()):
            ask_to_stop(ready[uid], "hang", {}, drain_s=0)

    def forget_all_but(self, uids: set[str]) -> None:
        for known in (self.refusals, self.pulses):
            for uid in known.keys() - uids:
                del known[uid]
        self.loads.forget_all_but(uids)

    def _hangs(self, uid: str) -> bool:
        pulse = self.pulses.get(uid)
        silent = pulse is not None and pulse.silent_s >= settings.HANG_SECONDS
        return silent or self.refusals[uid] >= REFUSALS

    def _ready(self, run: Run, result: Result, now: float) -> EngineMetrics | None:
        if result.answer == Answer.REFUSED:
            self.refusals[run.uid] += 1
        said = (
            framework(run.framework).metrics(result.body)
            if result.answer == Answer.READY
            else None
        )
        if said and said.in_flight is not None:
            self.loads.add(run, said.in_flight, now)
        self._feel(run, result.answer == Answer.READY, said, now)
        return said

    def _feel(
        self, run: Run, answered: bool, said: EngineMetrics | None, now: float
    ) -> None:
        pulse = self.pulses.setdefault(run.uid, Pulse(now))
        if not answered:
            pulse.kept_silent(now)
        else:
            progress = said.progress if said else None
            pulse.answered(now, said.in_flight if said else None, progress)
        if pulse.silent_s and not run.gpu_uuids:
            pulse.burns(now, driver(run.driver).cpu_seconds(handle_of(run)))


def _starting(run: Run, result: Result) -> None:
    """Ready only when the listener is ours: another process may have taken the port."""
    if result.answer == Answer.READY and driver(run.driver).listens(
        handle_of(run), run.port
    ):
        mark_ready(run)


def _draining(run: Run, result: Result) -> None:
    busy = framework(run.framework).in_flight(result.body)
    if result.answer != Answer.READY or busy is None:
        return  # not known: the deadline decides
    idle_since = None if busy else run.idle_since or clock.uptime()
    if idle_since != run.idle_since:
        Run.objects.filter(pk=run.pk, state=run.state).update(idle_since=idle_since)
