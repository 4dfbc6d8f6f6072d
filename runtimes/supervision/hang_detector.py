"""Tells an engine that hangs from one that is busy. Pure.

An engine shows life by an answer that says it has nothing to do, or by any counter of
its work that has grown since the last look. Without GPUs, the processor time it burns
is life too: one step of a large prompt may take minutes there, and no counter grows
meanwhile (llama.cpp counts a step, of up to 2048 tokens, when it is done). Only time in
which it was watched counts as silence: a watcher that slept knows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

# Longer gaps between two looks are the watcher's own.
LONGEST_STEP_S = 5.0
# Of a core: less is what a process burns that only waits.
BUSY_SHARE = 0.2


@dataclass(slots=True)
class Pulse:
    """silent_s: how long it has been watched without a sign of life."""

    heard: float
    silent_s: float = 0.0
    progress: float | None = None
    burnt: tuple[float, float] | None = None

    def answered(
        self, now: float, in_flight: int | None, progress: float | None
    ) -> None:
        """An answer in time. in_flight, progress: None if the engine tells no such
        thing; then an answer is all the life it can show."""
        hangs = in_flight and progress is not None and progress == self.progress
        self.progress = progress
        self._step(now, lives=not hangs)

    def kept_silent(self, now: float) -> None:
        self._step(now, lives=False)

    def burns(self, now: float, cpu_seconds: float) -> None:
        """Of all its processes since they began; asked for while it is silent. Until
        it was asked for twice, what it did is not known and not held against it."""
        before, self.burnt = self.burnt, (now, cpu_seconds)
        if not before or cpu_seconds - before[1] > BUSY_SHARE * (now - before[0]):
            self.silent_s = 0.0

    def _step(self, now: float, *, lives: bool) -> None:
        passed = min(max(now - self.heard, 0.0), LONGEST_STEP_S)
        self.silent_s = 0.0 if lives else self.silent_s + passed
        self.heard = now
        if lives:
            self.burnt = None
