"""Counts of each second, added to history. Belongs to one thread, which may wait for
the database as long as it likes: steps then queue up, and requests know nothing of it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import close_old_connections

from gateway.usage.tracker import Counts
from monitoring.history.recorder import Recorder
from monitoring.metrics import COUNTERS

logger = logging.getLogger(__name__)

COUNTED = [name for name in COUNTERS["model"] if name in Counts.__slots__]
RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """counts: also of models that run and had nothing to do: a chart shows 0 then, and
    a gap where nobody looked."""

    at: float
    counts: Mapping[int, Counts]
    names: Mapping[int, str]


class History:
    def __init__(self, recorder: Recorder) -> None:
        self.steps: deque[Step] = deque()
        self._recorder = recorder
        self._unwritten_traffic = False
        self._pause_until = 0.0

    def write(self, *, at_once: bool = False) -> None:
        """at_once: whatever happened before, and all there is. Traffic otherwise is
        written within a second, zeros when their bucket is full."""
        while self.steps:
            self._add(self.steps.popleft())
        if time.monotonic() < self._pause_until and not at_once:
            return
        close_old_connections()
        try:
            self._flush(at_once)
        except Exception:
            # Whatever it is, the next second tries again.
            logger.exception("history of traffic")
            self._pause_until = time.monotonic() + RETRY_S
        finally:
            close_old_connections()

    def _flush(self, at_once: bool) -> None:
        if self._recorder.flush(unfinished=self._unwritten_traffic or at_once):
            self._unwritten_traffic = False
        else:
            self._pause_until = time.monotonic() + RETRY_S

    def _add(self, step: Step) -> None:
        for model_id, counts in step.counts.items():
            model = "model", str(model_id), step.names.get(model_id, str(model_id))
            values = {name: getattr(counts, name) for name in COUNTED}
            self._recorder.add(*model, values, at=step.at)
            self._recorder.merge(*model, counts.durations, at=step.at)
            self._unwritten_traffic |= any(values.values())
