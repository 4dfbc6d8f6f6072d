"""django-q's command, whose processes live and die together.

Its first process forks a sentinel, and that the others. kill -9 of one would leave
those below it at work beside their successors. And one that is killed while it waits
for a task keeps the lock of the queue: its siblings would never get another.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
from multiprocessing.process import BaseProcess
from multiprocessing.util import register_after_fork
from typing import Any

from django.core.management.base import CommandError
from django.utils.module_loading import autodiscover_modules
from django_q import cluster
from django_q.management.commands import qcluster

from common.database import NewerDatabase, refuse_at_start

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
# How a worker leaves by itself, or is ended when its task took too long.
LOCKS_RELEASED = {None, 0, -signal.SIGTERM}


def die_with_parent(_: object) -> None:
    """For children of multiprocessing only: engines are started from here as well, and
    outlive the worker that started them."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is None or os.getppid() != parent.pid:  # it died before the line above
        os._exit(1)


class Sentinel(cluster.Sentinel):  # type: ignore[misc]
    def reincarnate(self, process: BaseProcess) -> None:
        if process.exitcode not in LOCKS_RELEASED:
            logger.error(
                "process %s ended with %s: starting afresh",
                process.pid,
                process.exitcode,
            )
            sys.exit(1)
        super().reincarnate(process)


class Command(qcluster.Command):  # type: ignore[misc]
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            refuse_at_start()
        except NewerDatabase as error:
            raise CommandError(str(error)) from error
        register_after_fork(self, die_with_parent)
        # The only way in: Cluster.start() takes the class from its module.
        cluster.Sentinel = Sentinel
        share_memory()
        super().handle(*args, **options)


def share_memory() -> None:
    """45 MiB less in all: what tasks import is there before the processes fork, and the
    garbage collector does not write to its pages."""
    autodiscover_modules("tasks")
    gc.collect()
    gc.freeze()
