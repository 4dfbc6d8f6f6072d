"""The platform at a glance."""

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
from monitoring.live.latest import Live, latest
from monitoring.models import Watermark
from runtimes.models import Gpu, Node

# The monitor writes its machine's row each 5 s.
FRESH_S = 20
ROLLED_S = 240


def status() -> dict[str, Any]:
    told = Live(publish.HOST)
    nodes = list(Node.objects.order_by("name"))
    return {
        "version": settings.SPECTACULAR_SETTINGS["VERSION"],
        "now": timezone.now(),
        "database": _database(),
        "broker": {"ok": told.ok},
        "monitor": _freshness(max((n.seen_at for n in nodes), default=None), FRESH_S),
        "worker": _worker(),
        "host": _host(told),
        "models": _models(),
        "gpus": _gpus(),
        "machines": [_machine(node) for node in nodes],
    }


def _database() -> dict[str, Any]:
    """The request was allowed after looking into it."""
    begun = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    taken = (time.perf_counter() - begun) * 1000
    return {"ok": True, "engine": connection.vendor, "latency_ms": round(taken, 1)}


def _worker() -> dict[str, Any]:
    """It rolls history up each minute, as long as there is something to roll up."""
    mark = Watermark.objects.filter(name=rollup.MARK).first()
    seen = datetime.fromtimestamp(mark.at, UTC) if mark and mark.at else None
    return _freshness(seen, ROLLED_S)


def _freshness(seen: datetime | None, patience_s: float) -> dict[str, Any]:
    age = (timezone.now() - seen).total_seconds() if seen else None
    ok = age is not None and age < patience_s
    return {"ok": ok, "seen_at": seen, "age_s": None if age is None else round(age, 1)}


def _host(told: Live) -> dict[str, Any] | None:
    """Of this machine: what the monitor told last, else its newest bucket."""
    node = settings.NODE_NAME
    measured = told.data(publish.HOST) or latest("host").get(node)
    return {"node": node, "metrics": measured} if measured else None


def _models() -> dict[str, int]:
    found = Counter(ServedModel.objects.values_list("status", flat=True))
    return {"total": found.total(), **{name: found[name] for name in Status.values}}


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
        "fresh": age < FRESH_S,
    }
