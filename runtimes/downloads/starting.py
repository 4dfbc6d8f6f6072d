"""Start the process that downloads, if there is something for it to do."""

from __future__ import annotations

import os
import subprocess
import sys

from django.conf import settings

from runtimes.downloads import work

# Those of this process; asked now and then, so that none of them stays a zombie.
_started: list[subprocess.Popen[bytes]] = []


def start() -> None:
    """One too many finds nothing to take, and ends."""
    _started[:] = [process for process in _started if process.poll() is None]
    if work.is_due():
        argv = [sys.executable, "manage.py", "work_downloads", str(os.getpid())]
        process = subprocess.Popen(
            argv, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL
        )
        _started.append(process)
