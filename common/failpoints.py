"""Places where tests kill a process on purpose, to prove that the rest carries on.

FAILPOINT=name:file,... kills the process that first reaches `name`; the file marks that
it has happened, so that the restarted process passes. Without it nothing happens.
"""

import os
import signal
from pathlib import Path

from django.conf import settings


def reach(name: str) -> None:
    if not settings.FAILPOINT:
        return
    files = dict(point.split(":", 1) for point in settings.FAILPOINT.split(","))
    if name not in files:
        return
    try:
        Path(files[name]).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
