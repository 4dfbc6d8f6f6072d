"""Places where tests kill a process on purpose, to prove that the rest carries on.

FAILPOINT=name:file kills the process that first reaches `name`; the file marks that it
has happened, so that the restarted process passes. Without it nothing happens.
"""

import os
import signal
from pathlib import Path

from django.conf import settings


def reach(name: str) -> None:
    if not settings.FAILPOINT.startswith(f"{name}:"):
        return
    try:
        Path(settings.FAILPOINT.partition(":")[2]).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
