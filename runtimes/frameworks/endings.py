"""Why an engine ended, from how it ended and its last lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from signal import Signals

from runtimes.frameworks.base import Exit

# Sent by people, the kernel's OOM killer or the shim; engines do not die of them.
FROM_OUTSIDE = {Signals.SIGKILL, Signals.SIGTERM, Signals.SIGINT, Signals.SIGHUP}

# Of these the first that is found: what a refused setting is refused for, where a trace
# ends, a line that is marked as an error.
TELLING = (
    re.compile(r"\bValue error, "),
    re.compile(r"\b\w*(?:Error|Exception): +\S"),
    re.compile(r"\berror:|\bERROR\b|\bfatal\b|terminate called|^[\d.]+ E "),
)
# Others' troubles, and the calls that led to one
PASSED_OVER = re.compile(r"^\s+(?:File |raise |\^|~)|Traceback \(most|\bWARNING\b")
# Of vLLM: process, level, time and place
PREFIX = re.compile(r"^\(\w+ pid=\d+\) (?:ERROR \S+ \S+ \[[^\]]*\] )?")
LONGEST_WORDS = 300

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


def telling_line(log_tail: str) -> str:
    """The line of a log that says most of an end: the first that complains, since those
    after it tell of consequences; without any, the last."""
    lines = [PREFIX.sub("", line).strip() for line in _own(log_tail)]
    said = [line for line in lines if line]
    complaints = (line for found in TELLING for line in said if found.search(line))
    return next(complaints, said[-1] if said else "")[:LONGEST_WORDS]


def _own(log_tail: str) -> list[str]:
    return [line for line in log_tail.splitlines() if not PASSED_OVER.search(line)]
