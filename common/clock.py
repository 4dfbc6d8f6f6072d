"""Durations that survive clock jumps and restarts of any of our processes.

Linux's CLOCK_BOOTTIME is one clock for the whole machine, so a deadline written by one
process may be read by another, as long as both see the same boot id.
"""

import time
from functools import cache
from pathlib import Path


def uptime() -> float:
    """Seconds since this machine booted, time spent suspended included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
