"""Tells an engine that hangs from one that is busy. Pure.

Signs of life are an answer without requests in flight, and any counter of work that has
grown since the last probe. Without GPUs, processor time is one too: one step of a large
prompt may take minutes there, and no counter grows meanwhile (llama.cpp counts a step,
of up to 2048 tokens, when it is done). Only time in which the engine was watched counts
as silence, not time in which the monitor itself was suspended.
"""

from __future__ import annotations

from dataclasses import dataclass

# Longer gaps between two probes are the monitor's own.
LONGEST_STEP_S = 5.0
# Of a core; a process that only waits uses less, one that works uses more even where it
# gets a small share of an overloaded machine.
BUSY_SHARE = 0.05


@dataclass(slots=True)
class HangDetector:
    """silent_s: how long the engine was watched without a sign of life."""

    probed_at: float
    silent_s: float = 0.0
    progress: float | None = None
    cpu: tuple[float, float] | None = None  # time and CPU seconds, read last

    def answered(
        self, now: float, in_flight: int | None, progress: float | None
    ) -> None:
        """An answer in time. in_flight, progress: None if the engine does not report
        them; an answer is then the only sign of life."""
        hangs = in_flight and progress is not None and progress == self.progress
        self.progress = progress
        self._step(now, lives=not hangs)

    def timed_out(self, now: float) -> None:
        self._step(now, lives=False)

    def used_cpu(self, now: float, cpu_seconds: float) -> None:
        """cpu_seconds: of all its processes since they started, read while it is
        silent. It takes two readings to know whether it works."""
        before, self.cpu = self.cpu, (now, cpu_seconds)
        if not before or cpu_seconds - before[1] > BUSY_SHARE * (now - before[0]):
            self.silent_s = 0.0

    def _step(self, now: float, *, lives: bool) -> None:
        passed = min(max(now - self.probed_at, 0.0), LONGEST_STEP_S)
        self.silent_s = 0.0 if lives else self.silent_s + passed
        self.probed_at = now
        if lives:
            self.cpu = None
