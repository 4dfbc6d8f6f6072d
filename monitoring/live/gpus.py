"""Current state of the GPUs, and the runs that use them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from models_app.models import Run
from monitoring.live import publish
from monitoring.live.latest import LastMessages, latest
from monitoring.metrics import METRICS
from runtimes.models import Gpu


def gpus() -> list[dict[str, Any]]:
    messages = LastMessages(publish.GPUS)
    published = {gpu.get("uuid"): gpu for gpu in messages.data(publish.GPUS) or []}
    recorded = latest("gpu")
    users = _users()
    return [
        _gpu(
            gpu,
            published.get(gpu.uuid) or recorded.get(gpu.uuid) or {},
            users[gpu.uuid],
        )
        for gpu in Gpu.objects.select_related("node").order_by("node__name", "index")
    ]


def _users() -> dict[str, list[dict[str, Any]]]:
    """Runs by UUID of their GPUs. used_mib is None until measured."""
    users = defaultdict(list)
    for run in Run.objects.live().select_related("model").order_by("pk"):
        for uuid in run.gpu_uuids:
            users[uuid].append(
                {
                    "model": run.model.name,
                    "model_id": run.model_id,
                    "run": run.uid,
                    "replica": run.replica,
                    "state": run.state,
                    "used_mib": (run.gpu_used or {}).get(uuid),
                }
            )
    return users


def _gpu(gpu: Gpu, measured: Any, users: list[dict[str, Any]]) -> dict[str, Any]:
    used = measured.get("gpu_memory_used")
    if used is None and gpu.free_mib is not None:
        used = gpu.memory_mib - gpu.free_mib
    return {
        "uuid": gpu.uuid,
        "index": gpu.index,
        "name": gpu.name,
        "node": gpu.node.name,
        "mode": gpu.mode,
        "present": gpu.present,
        "health": gpu.reason_code or ("ok" if gpu.present else "gone"),
        "reason": gpu.reason,
        "memory": {
            "total_mib": gpu.memory_mib,
            "used_mib": used,
            "free_mib": gpu.free_mib,
        },
        "metrics": {
            name: measured.get(name)
            for name, metric in METRICS.items()
            if metric.source == "gpu"
        },
        "used_by": users,
    }
