"""Gives a run another port when a process of somebody else has taken its port."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from common import broker, clock
from models_app.enums import RunState
from models_app.models import Run
from runtimes.registry import driver

logger = logging.getLogger(__name__)

SPAWN_DUE_S = 5  # then the launch is taken for lost, and repeated
MAX_CHANGES = 5  # of one run


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def change_port(run: Run) -> bool:
    """The run then has no engine and waits for its launch. False: it has changed ports
    too often, none is free, or it is no longer about to start."""
    if run.state not in RunState.COMING or run.port_changes >= MAX_CHANGES:
        return False
    for port in _free_ports(run):
        try:
            return _swap(run, port)
        except IntegrityError:
            continue  # another run was given it meanwhile
    return False


def relaunch(run: Run) -> None:
    """After change_port: as if the run had never had an engine."""
    driver(run.driver).discard(run.uid)
    broker.enqueue("runtimes.tasks.launch", run.uid)


def _swap(run: Run, port: int) -> bool:
    same = Run.objects.filter(pk=run.pk, state=run.state, port=run.port)
    starting = run.state == RunState.STARTING
    with transaction.atomic():
        swapped = same.update(
            port=port,
            port_changes=F("port_changes") + 1,
            handle=None,
            deadline=clock.uptime() + SPAWN_DUE_S if starting else run.deadline,
        )
    if swapped:
        logger.warning("run %s: port %d is taken, using %d", run.uid, run.port, port)
        run.port, run.handle = port, None
        run.port_changes += 1
    return bool(swapped)


def _free_ports(run: Run) -> Iterator[int]:
    live = Run.objects.live().filter(node=run.node)
    booked = set(live.values_list("port", flat=True))
    yield from (p for p in settings.ENGINE_PORTS if p not in booked and not is_taken(p))
