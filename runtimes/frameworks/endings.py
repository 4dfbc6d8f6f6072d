"""Why an engine ended, from how it ended and its last lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from signal import Signals

from runtimes.frameworks.base import Exit

# Sent by people, the kernel's OOM killer or the shim; engines do not die of them.
FROM_OUTSIDE = {Signals.SIGKILL, Signals.SIGTERM, Signals.SIGINT, Signals.SIGHUP}

Patterns = Sequence[tuple[str, re.Pattern[str]]]


def pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


def classify(exit: Exit, log_tail: str, patterns: Patterns) -> str:
    """First code whose pattern is found. The log is not asked about a kill from
    outside: it may tell of older troubles that were survived."""
    if exit.signal in FROM_OUTSIDE:
        by_kernel = exit.oom and exit.signal == Signals.SIGKILL
        return "out_of_memory" if by_kernel else "killed"
    for code, found in patterns:
        if found.search(log_tail):
            return code
    if exit.oom and exit.code != 0:
        return "out_of_memory"  # one of its processes was killed, and it gave up
    # Engines here end with 0 only after a SIGTERM, and nobody asked for this one.
    return "killed" if exit.code == 0 else "crashed"
