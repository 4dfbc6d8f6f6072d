"""What the worker does about alerts, once a minute: report a silent monitor, which can
neither evaluate nor send anything itself."""

from __future__ import annotations

import time
from typing import Any

from django_q.models import Schedule

from monitoring.alerts.manager import Manager
from monitoring.history.aggregation.bucket_values import Values
from monitoring.history.recorder import WIDTH_S
from runtimes.models import Node

METRIC = "monitor_silence"
TASK = "monitoring.tasks.watch"


def create_schedule(**_: Any) -> None:
    """After migrate. Unlike all other tasks, which the monitor enqueues."""
    Schedule.objects.update_or_create(
        name=TASK,
        defaults={"func": TASK, "schedule_type": Schedule.MINUTES, "minutes": 1},
    )


def watch_monitor() -> None:
    manager = Manager(metrics=frozenset({METRIC}))
    now = time.time()
    start = int(now) // WIDTH_S * WIDTH_S
    for node in Node.objects.all():
        age = max(0.0, now - node.seen_at.timestamp())
        values: Values = {METRIC: [age, age, age, 1.0]}
        manager.windows.put(("host", node.name), node.name, start, "worker", values)
    manager.evaluate(now)
