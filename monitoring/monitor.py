"""The monitor role: one step a second. Looks, writes what it sees, nudges."""

from __future__ import annotations

import logging

from django.db import DatabaseError, close_old_connections

from common import broker, clock
from models_app.enums import RunState
from models_app.models import Run
from monitoring.collectors.sampler import Sampler
from runtimes.downloads import work as downloads
from runtimes.machine import inventory
from runtimes.machine.gpu_health import GpuHealth
from runtimes.machine.nvml import GpuSeen, Nvml
from runtimes.supervision.health import Health, question
from runtimes.supervision.liveness import Lookout
from runtimes.supervision.peaks import Peaks
from runtimes.supervision.probes import Probes
from runtimes.supervision.reaper import Reaper

logger = logging.getLogger(__name__)

STEP_S = 1.0
# While something starts or stops, people wait for it.
BUSY_STEP_S = 0.25


class Every:
    """due() is true at first, and then once in each period of the clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.next = 0.0

    def due(self) -> bool:
        now = clock.uptime()
        if now < self.next:
            return False
        # On the beat, however late this one was; missed beats are not made up.
        self.next = (now // self.seconds + 1) * self.seconds
        return True


class Monitor:
    """Engines that ran before this process did are adopted by looking at them: their
    rows hold all there is to know."""

    def __init__(self) -> None:
        self.nvml = Nvml()
        self.gpu_health = GpuHealth()
        self.probes = Probes()
        self.health = Health()
        self.lookout = Lookout()
        self.reaper = Reaper()
        self.sampler = Sampler()
        self.peaks = Peaks()
        self.gpus: list[GpuSeen] | None = None
        self.runs: list[Run] = []
        self.sample_due = Every(1)
        self.roll_up_due = Every(60)
        self.loads_due = Every(10)
        self.peaks_due = Every(1)
        self.inventory_due = Every(5)
        self.reaper_due = Every(5)
        self.nudge_due = Every(5)
        self.downloads_due = Every(5)
        self.tidy_due = Every(3600)

    def step(self) -> float:
        """Seconds until the next step. A database that is away costs a step, no more:
        engines go on, and the next step starts afresh."""
        began = clock.uptime()
        try:
            period = self._step()
        except DatabaseError as error:
            logger.error("database: %s", error)
            close_old_connections()
            return STEP_S
        return max(0.0, period - (clock.uptime() - began))

    def _step(self) -> float:
        if self.sample_due.due():
            self._sample()
        if self.inventory_due.due():
            inventory.write(self.gpus)
        self.gpu_health.step(self.nvml)
        runs = self.runs = self.lookout.step()
        self._listen(runs)
        if self.peaks_due.due():
            self.peaks.step(runs)
        if self.reaper_due.due():
            self.reaper.step()
        if self.tidy_due.due():
            broker.enqueue("runtimes.tasks.tidy")
            broker.enqueue("monitoring.tasks.prune")
        if self.roll_up_due.due():
            broker.enqueue("monitoring.tasks.roll_up")
        if self.downloads_due.due() and downloads.is_due():
            broker.enqueue("runtimes.tasks.download")
        moving = any(run.state != RunState.READY for run in runs)
        if moving or self.nudge_due.due():
            broker.wake()
        return BUSY_STEP_S if moving else STEP_S

    def _sample(self) -> None:
        """Models are looked after whatever is wrong with what is told of them."""
        self.gpus = self.nvml.read()
        try:
            self.sampler.step(self.gpus, self.runs)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("sampling failed")

    def _listen(self, runs: list[Run]) -> None:
        results = self.probes.results()
        self.health.forget_all_but({run.uid for run in runs})
        for run in runs:
            if run.uid in results:
                said = self.health.hear(run, results[run.uid])
                if said:
                    self.sampler.hear(run, said)
            if asked := question(run):
                self.probes.ask(asked)
        # An engine that cannot be seen may be out of reach for the same reason.
        self.health.act([run for run in runs if not run.unseen])
        if self.loads_due.due():
            self.health.loads.write(runs)

    def close(self) -> None:
        self.sampler.close()
        self.probes.close()
        self.nvml.close()
