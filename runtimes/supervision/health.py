"""Applies the results of probes to the states of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from django.conf import settings

from common import clock
from models_app.enums import RunState
from models_app.models import Run
from models_app.runs import mark_ready, request_run_stop
from runtimes.frameworks.metrics import EngineMetrics
from runtimes.registry import driver, framework
from runtimes.supervision.hang_detector import HangDetector
from runtimes.supervision.load import Loads
from runtimes.supervision.mass_failure import Brake
from runtimes.supervision.observe import handle_of
from runtimes.supervision.probes import Outcome, Probe, Result

# In a row: a live process that accepts no connections
REFUSALS = 5

PROBED = (RunState.STARTING, RunState.READY, RunState.DRAINING)


def probe_of(run: Run) -> Probe | None:
    """The metrics of an engine that serves: unlike its health, they show whether it
    makes progress."""
    if run.state not in PROBED or run.handle is None:
        return None
    url = f"{run.base_url}{_path(run)}"
    return Probe(uid=run.uid, url=url, socket=run.socket, key=run.engine_key)


def _path(run: Run) -> str:
    rules = framework(run.framework)
    if run.state == RunState.STARTING:
        return rules.ready_path(run.config)
    draining = run.state == RunState.DRAINING
    return (rules.idle_path if draining else rules.metrics_path)(run.config)


class Health:
    def __init__(self) -> None:
        self.refusals: Counter[str] = Counter()
        self.detectors: dict[str, HangDetector] = {}
        self.loads = Loads()
        self.brake = Brake()

    def handle(self, run: Run, result: Result) -> EngineMetrics | None:
        """Metrics of an engine that serves."""
        if result.outcome != Outcome.REFUSED:
            del self.refusals[run.uid]
        if run.state == RunState.STARTING:
            _starting(run, result)
        elif run.state == RunState.DRAINING:
            _draining(run, result)
        elif run.state == RunState.READY:
            return self._ready(run, result, clock.uptime())
        return None

    def act(self, runs: Collection[Run]) -> None:
        """Stops runs that hang; the scheduler starts them again."""
        ready = {run.uid: run for run in runs if run.state == RunState.READY}
        suspects = [uid for uid in ready if self._hangs(uid)]
        for uid in self.brake.released(suspects, ready, clock.uptime()):
            request_run_stop(ready[uid], "hang", {}, drain_s=0)

    def keep_only(self, uids: set[str]) -> None:
        for known in (self.refusals, self.detectors):
            for uid in known.keys() - uids:
                del known[uid]
        self.loads.keep_only(uids)

    def _hangs(self, uid: str) -> bool:
        detector = self.detectors.get(uid)
        silent = detector is not None and detector.silent_s >= settings.HANG_SECONDS
        return silent or self.refusals[uid] >= REFUSALS

    def _ready(self, run: Run, result: Result, now: float) -> EngineMetrics | None:
        if result.outcome == Outcome.REFUSED:
            self.refusals[run.uid] += 1
        metrics = (
            framework(run.framework).metrics(result.body)
            if result.outcome == Outcome.READY
            else None
        )
        if metrics and metrics.in_flight is not None:
            self.loads.add(run, metrics.in_flight, now)
        self._watch(run, result.outcome == Outcome.READY, metrics, now)
        return metrics

    def _watch(
        self, run: Run, answered: bool, metrics: EngineMetrics | None, now: float
    ) -> None:
        detector = self.detectors.setdefault(run.uid, HangDetector(now))
        if not answered:
            detector.timed_out(now)
        else:
            progress = metrics.progress if metrics else None
            detector.answered(now, metrics.in_flight if metrics else None, progress)
        if detector.silent_s and not run.gpu_uuids:
            detector.used_cpu(now, driver(run.driver).cpu_seconds(handle_of(run)))


def _starting(run: Run, result: Result) -> None:
    """Ready only if the engine itself listens: another process may have the port."""
    if result.outcome == Outcome.READY and driver(run.driver).listens(
        handle_of(run), run.port
    ):
        mark_ready(run)


def _draining(run: Run, result: Result) -> None:
    busy = framework(run.framework).in_flight(result.body)
    if result.outcome != Outcome.READY or busy is None:
        return  # unknown: the deadline decides
    idle_since = None if busy else run.idle_since or clock.uptime()
    if idle_since != run.idle_since:
        Run.objects.filter(pk=run.pk, state=run.state).update(idle_since=idle_since)
