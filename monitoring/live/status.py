"""Current state of the platform: database, broker, roles, host, models and GPUs."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from models_app.enums import Status
from models_app.models import ServedModel
from monitoring.history import rollup
from monitoring.live import publish
from monitoring.live.latest import LastMessages, latest
from monitoring.models import Watermark
from runtimes.models import Gpu, Node

# The monitor updates its machine's row every 5 s.
MONITOR_TIMEOUT_S = 20
# The worker rolls history up every minute.
WORKER_TIMEOUT_S = 240


def status() -> dict[str, Any]:
    live = LastMessages(publish.HOST)
    nodes = list(Node.objects.order_by("name"))
    return {
        "version": settings.SPECTACULAR_SETTINGS["VERSION"],
        "now": timezone.now(),
        "database": _database(),
        "broker": {"ok": live.ok},
        "monitor": _monitor(nodes),
        "worker": _worker(),
        "host": _host(live),
        "models": _models(),
        "gpus": _gpus(),
        "machines": [_machine(node) for node in nodes],
    }


def _database() -> dict[str, Any]:
    """Authentication has already queried the database, so it works."""
    started_at = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    elapsed_ms = (time.perf_counter() - started_at) * 1000
    return {"ok": True, "engine": connection.vendor, "latency_ms": round(elapsed_ms, 1)}


def _monitor(nodes: list[Node]) -> dict[str, Any]:
    seen = max((node.seen_at for node in nodes), default=None)
    return _freshness(seen, MONITOR_TIMEOUT_S)


def _worker() -> dict[str, Any]:
    """Seen by its roll-up, as long as there is something to roll up."""
    mark = Watermark.objects.filter(name=rollup.MARK).first()
    seen = datetime.fromtimestamp(mark.at, UTC) if mark and mark.at else None
    return _freshness(seen, WORKER_TIMEOUT_S)


def _freshness(seen: datetime | None, timeout_s: float) -> dict[str, Any]:
    age = (timezone.now() - seen).total_seconds() if seen else None
    ok = age is not None and age < timeout_s
    return {"ok": ok, "seen_at": seen, "age_s": None if age is None else round(age, 1)}


def _host(live: LastMessages) -> dict[str, Any] | None:
    """Last values published by the monitor of this machine, else its newest bucket."""
    node = settings.NODE_NAME
    measured = live.data(publish.HOST) or latest("host").get(node)
    return {"node": node, "metrics": measured} if measured else None


def _models() -> dict[str, int]:
    counts = Counter(ServedModel.objects.values_list("status", flat=True))
    return {"total": counts.total(), **{name: counts[name] for name in Status.values}}


def _gpus() -> dict[str, int | None]:
    gpus = list(Gpu.objects.filter(present=True))
    known = [gpu for gpu in gpus if gpu.free_mib is not None]
    used = sum(gpu.memory_mib - (gpu.free_mib or 0) for gpu in known)
    return {
        "total": len(gpus),
        "healthy": sum(gpu.reason is None for gpu in gpus),
        "memory_mib": sum(gpu.memory_mib for gpu in gpus),
        "used_mib": used if known or not gpus else None,
    }


def _machine(node: Node) -> dict[str, Any]:
    age = (timezone.now() - node.seen_at).total_seconds()
    return {
        "name": node.name,
        "cpu_cores": node.cpu_cores,
        "memory_mib": node.memory_mib,
        "seen_at": node.seen_at,
        "fresh": age < MONITOR_TIMEOUT_S,
    }
