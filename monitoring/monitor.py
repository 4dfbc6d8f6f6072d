"""The monitor role: observe GPUs and engines every second, and wake the scheduler."""

from __future__ import annotations

import logging

from django.db import DatabaseError, close_old_connections

from common import broker, clock, jobs
from models_app.enums import RunState
from models_app.models import Run
from monitoring.alerts.delivery.dispatcher import Dispatcher
from monitoring.alerts.live import AlertsTopic
from monitoring.alerts.manager import Manager
from monitoring.collectors.sampler import Sampler
from runtimes.machine import inventory
from runtimes.machine.gpu_health import GpuHealth
from runtimes.machine.nvml import GpuSeen, Nvml
from runtimes.supervision.health import Health, probe_of
from runtimes.supervision.liveness import LivenessCheck
from runtimes.supervision.peaks import Peaks
from runtimes.supervision.probes import Probes
from runtimes.supervision.reaper import Reaper

logger = logging.getLogger(__name__)

STEP_S = 1.0
# Faster while a run starts or stops, because people wait for it.
BUSY_STEP_S = 0.25
# supervisord waits 8 s in all.
DISPATCHER_CLOSE_S = 4.0


class Timer:
    """is_due() is true at first, then once per period."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.next = 0.0

    def is_due(self) -> bool:
        now = clock.uptime()
        if now < self.next:
            return False
        # Aligned to the period, however late this call was; missed periods are skipped.
        self.next = (now // self.seconds + 1) * self.seconds
        return True


class Monitor:
    """Adopts engines that were started before this process: their rows hold all the
    state there is."""

    def __init__(self) -> None:
        self.nvml = Nvml()
        self.gpu_health = GpuHealth()
        self.probes = Probes()
        self.health = Health()
        self.liveness = LivenessCheck()
        self.reaper = Reaper()
        self.sampler = Sampler()
        self.alerts = Manager()
        self.alerts_topic = AlertsTopic()
        self.peaks = Peaks()
        self.dispatcher = Dispatcher()
        self.gpus: list[GpuSeen] | None = None
        self.runs: list[Run] = []
        self.sample_due = Timer(1)
        self.roll_up_due = Timer(60)
        self.loads_due = Timer(10)
        self.peaks_due = Timer(1)
        self.inventory_due = Timer(5)
        self.reaper_due = Timer(5)
        self.wake_due = Timer(5)
        self.jobs_due = Timer(5)
        self.cleanup_due = Timer(3600)
        self.deliveries_due = Timer(1)

    def step(self) -> float:
        """Seconds until the next step. A database error only costs this step: engines
        keep running and the next step starts over."""
        started_at = clock.uptime()
        try:
            period = self._step()
        except DatabaseError as error:
            logger.error("database unavailable, skipping a step: %s", error)
            close_old_connections()
            return STEP_S
        return max(0.0, period - (clock.uptime() - started_at))

    def _step(self) -> float:
        if self.sample_due.is_due():
            self._sample()
            self._evaluate_alerts()
        if self.inventory_due.is_due():
            inventory.write(self.gpus)
        self.gpu_health.step(self.nvml)
        runs = self.runs = self.liveness.step()
        self._process_probes(runs)
        if self.peaks_due.is_due():
            self.peaks.step(runs)
        if self.reaper_due.is_due():
            self.reaper.step()
        if self.deliveries_due.is_due():
            self.dispatcher.step()
        if self.cleanup_due.is_due():
            broker.enqueue("runtimes.tasks.cleanup")
            broker.enqueue("monitoring.tasks.prune")
            broker.enqueue("common.tasks.cleanup_jobs")
            broker.enqueue("scheduling.tasks.cleanup")
        if self.roll_up_due.is_due():
            broker.enqueue("monitoring.tasks.roll_up")
        if self.jobs_due.is_due() and jobs.is_due():
            broker.enqueue(jobs.TASK)
        in_transition = any(run.state != RunState.READY for run in runs)
        if in_transition or self.wake_due.is_due():
            broker.wake_scheduler()
        return BUSY_STEP_S if in_transition else STEP_S

    def _sample(self) -> None:
        """An error in sampling must not stop the supervision of engines."""
        self.gpus = self.nvml.read()
        try:
            self.sampler.step(self.gpus, self.runs)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("sampling failed")

    def _evaluate_alerts(self) -> None:
        """Nor must an error in alerts."""
        try:
            self.alerts.details = self.sampler.platform.details
            changed = self.alerts.step(self.sampler.recorder)
            self.alerts_topic.publish(changed=changed)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("evaluation of alerts failed")

    def _process_probes(self, runs: list[Run]) -> None:
        results = self.probes.results()
        self.health.keep_only({run.uid for run in runs})
        for run in runs:
            if run.uid in results:
                metrics = self.health.handle(run, results[run.uid])
                if metrics:
                    self.sampler.record_engine(run, metrics)
            if probe := probe_of(run):
                self.probes.submit(probe)
        # An engine that cannot be seen may be out of reach for the same reason.
        self.health.act([run for run in runs if not run.unseen])
        if self.loads_due.is_due():
            self.health.loads.write(runs)

    def close(self) -> None:
        self.dispatcher.close(DISPATCHER_CLOSE_S)
        self.sampler.close()
        self.probes.close()
        self.nvml.close()
