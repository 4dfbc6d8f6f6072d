"""Classifies why an engine ended, by its exit and the end of its log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from signal import Signals

from runtimes.frameworks.base import Exit

# Sent from outside: by people, the kernel's OOM killer or the shim
FROM_OUTSIDE = {Signals.SIGKILL, Signals.SIGTERM, Signals.SIGINT, Signals.SIGHUP}

# In this order: why a setting was rejected, the end of a trace, a line marked as error
CAUSES = (
    re.compile(r"\bValue error, "),
    re.compile(r"\b\w*(?:Error|Exception): +\S"),
    re.compile(r"\berror:|\bERROR\b|\bfatal\b|terminate called|^[\d.]+ E "),
)
# Warnings, and the frames of a traceback
IGNORED = re.compile(r"^\s+(?:File |raise |\^|~)|Traceback \(most|\bWARNING\b")
# Of vLLM: process, level, time and place
PREFIX = re.compile(r"^\(\w+ pid=\d+\) (?:ERROR \S+ \S+ \[[^\]]*\] )?")
MAX_CHARS = 300

Patterns = Sequence[tuple[str, re.Pattern[str]]]


def pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


def classify(exit: Exit, log_tail: str, patterns: Patterns) -> str:
    """The first code whose pattern matches. The log is ignored after a kill from
    outside: it may hold older errors that the engine survived."""
    if exit.signal in FROM_OUTSIDE:
        by_kernel = exit.oom and exit.signal == Signals.SIGKILL
        return "out_of_memory" if by_kernel else "killed"
    for code, found in patterns:
        if found.search(log_tail):
            return code
    if exit.oom and exit.code != 0:
        return "out_of_memory"  # one of its processes was killed, and it gave up
    # Engines end with 0 only after a SIGTERM, and the platform did not send one.
    return "killed" if exit.code == 0 else "crashed"


def cause_line(log_tail: str) -> str:
    """The line of a log that shows the cause best: the first error, since later ones
    are consequences; without any, the last line."""
    lines = [PREFIX.sub("", line).strip() for line in _own(log_tail)]
    lines = [line for line in lines if line]
    complaints = (line for found in CAUSES for line in lines if found.search(line))
    return next(complaints, lines[-1] if lines else "")[:MAX_CHARS]


def _own(log_tail: str) -> list[str]:
    return [line for line in log_tail.splitlines() if not IGNORED.search(line)]
