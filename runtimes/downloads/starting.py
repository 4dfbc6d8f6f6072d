"""Start the process that downloads, if there is something for it to do."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from django.conf import settings

from runtimes.downloads import work

# While one begins, it has not taken a row yet.
BEGINNING_S = 15

# Those of this process, and when; asked now and then, so that none stays a zombie.
_started: list[tuple[subprocess.Popen[bytes], float]] = []


def start() -> None:
    """One too many finds nothing to take, and ends."""
    _started[:] = [(child, at) for child, at in _started if child.poll() is None]
    begins = any(at > time.monotonic() - BEGINNING_S for _, at in _started)
    if begins or not work.is_due():
        return
    argv = [sys.executable, "manage.py", "work_downloads", str(os.getpid())]
    child = subprocess.Popen(argv, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)
    _started.append((child, time.monotonic()))
