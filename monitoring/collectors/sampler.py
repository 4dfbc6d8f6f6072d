"""Once a second, record all samples in history and publish them to the live view."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from common import clock
from models_app.enums import Status
from models_app.models import Activity, Run
from monitoring.collectors.engines import EngineCollector, Sample, gpu_memory
from monitoring.collectors.host import HostCollector
from monitoring.collectors.platform import PlatformCollector
from monitoring.history.recorder import WIDTH_S, Recorder
from monitoring.live import publish
from monitoring.live.traffic_reader import LiveValues, TrafficReader
from monitoring.metrics import METRICS, PLATFORM_KEY
from runtimes.frameworks.metrics import EngineMetrics
from runtimes.machine.nvml import GpuSeen
from runtimes.models import Gpu

Values = dict[str, float | None]
NO_TRAFFIC: LiveValues = {
    "requests_per_s": 0,
    "errors_per_s": 0,
    "tokens_per_s": 0,
    "concurrency": 0,
}
GPU_FIELDS = {
    name: name.removeprefix("gpu_")
    for name, metric in METRICS.items()
    if metric.source == "gpu" and name != "gpu_unavailable"
}


class Sampler:
    """Keeps publishing while the database is down, with the last known statuses."""

    def __init__(self) -> None:
        self.node = settings.NODE_NAME
        self.host = HostCollector(settings.DATA_DIR, settings.MODEL_ROOTS)
        self.engines = EngineCollector()
        self.platform = PlatformCollector()
        self.traffic = TrafficReader(settings.REDIS_URL)
        self.recorder = Recorder("monitor")
        self.unhealthy: dict[str, str] = {}
        self.activity = 0
        self.last_step: float | None = None
        self.bucket = 0

    def record_engine(self, run: Run, metrics: EngineMetrics) -> None:
        self.engines.record(run, metrics, clock.uptime())

    def step(self, gpus: Iterable[GpuSeen] | None, runs: Iterable[Run]) -> None:
        now = clock.uptime()
        seconds = now - self.last_step if self.last_step else 1.0
        self.last_step = now
        self._sample_host(seconds)
        self._sample_gpus(gpus or [])
        self._load_state()
        self._sample_models(list(self.engines.drain(now)), runs)
        self._sample_platform()
        self._flush()

    def close(self) -> None:
        self.recorder.flush()
        self.traffic.close()
        self.host.close()

    def _flush(self) -> None:
        """Writes complete buckets; what cannot be written now goes with the next."""
        bucket = int(time.time()) // WIDTH_S
        if bucket != self.bucket:
            self.bucket = bucket
            self.recorder.flush(include_open=False)

    def _load_state(self) -> None:
        try:
            self.platform.load()
            unhealthy = Gpu.objects.exclude(unhealthy_code="")
            self.unhealthy = dict(unhealthy.values_list("uuid", "unhealthy_code"))
            newest = Activity.objects.order_by("-pk").values_list("pk", flat=True)
            activity = newest.first() or 0
        except DatabaseError:
            close_old_connections()
            return
        if activity != self.activity:
            self.activity = activity
            publish.publish(publish.ACTIVITY, {"latest": activity})

    def _sample_host(self, seconds: float) -> None:
        sample = self.host.read()
        recorded = {**sample, "monitor_silence": 0.0}
        self.recorder.add("host", self.node, self.node, recorded, node=self.node)
        publish.publish(publish.HOST, _live_values(sample, seconds))

    def _sample_gpus(self, gpus: Iterable[GpuSeen]) -> None:
        payload: list[dict[str, object]] = []
        for gpu in gpus:
            values = gpu_values(gpu)
            name = f"{gpu.index} {gpu.name}"
            health = "lost" if gpu.lost else self.unhealthy.get(gpu.uuid) or "ok"
            recorded = {**values, "gpu_unavailable": float(health != "ok")}
            self.recorder.add("gpu", gpu.uuid, name, recorded, node=self.node)
            payload.append(
                {
                    "uuid": gpu.uuid,
                    "index": gpu.index,
                    "name": gpu.name,
                    "node": self.node,
                    "health": health,
                    **_live_values(values, 1.0),
                }
            )
        publish.publish(publish.GPUS, payload)

    def _sample_models(self, samples: list[Sample], runs: Iterable[Run]) -> None:
        for sample in samples:
            source = "model", str(sample.model_id), sample.name
            self.recorder.add(*source, sample.values)
            for usage in sample.usages:
                self.recorder.add(*source, {"kv_cache_usage": usage})
        for pk, name, values in self.platform.of_models():
            self.recorder.add("model", str(pk), name, values)
        for model_id, (name, mib) in gpu_memory(runs).items():
            self.recorder.add("model", str(model_id), name, {"model_gpu_memory": mib})
        now = time.time()
        traffic = self.traffic.read(now)
        by_model = {sample.model_id: sample for sample in samples}
        publish.publish(
            publish.MODELS,
            [
                {
                    "id": pk,
                    "name": name,
                    "status": status,
                    **_live_values(traffic.get(str(pk), NO_TRAFFIC), 1.0),
                    "response_time_p95": _round(self.traffic.p95(str(pk), now)),
                    **_engine_values(by_model.get(pk)),
                }
                for pk, name, status in self.platform.models
            ],
        )

    def _sample_platform(self) -> None:
        is_paused = bool(self.recorder.free_space.was_low)
        values = self.platform.of_platform(is_paused=is_paused)
        self.recorder.add("platform", PLATFORM_KEY, PLATFORM_KEY, values)
        counts = Counter(status for _, _, status in self.platform.models)
        publish.publish(
            publish.STATUS, {status: counts[status] for status in Status.values}
        )


def gpu_values(gpu: GpuSeen) -> Values:
    return {name: getattr(gpu, field) for name, field in GPU_FIELDS.items()}


def _engine_values(sample: Sample | None) -> dict[str, float | None]:
    usages = sample.usages if sample else []
    values = sample.values if sample else {}
    return {
        "kv_cache_usage": _round(max(usages)) if usages else None,
        "engine_requests_running": values.get("engine_requests_running"),
        "engine_requests_waiting": values.get("engine_requests_waiting"),
    }


def _live_values(values: Values, seconds: float) -> dict[str, float | None]:
    """Counters become rates per second; unknown values are left out."""
    span = max(seconds, 0.1)
    return {
        name: _round(value / span if _is_counter(name) else value)
        for name, value in values.items()
        if value is not None
    }


def _is_counter(name: str) -> bool:
    return name in METRICS and METRICS[name].kind == "counter"


def _round(value: float | None) -> float | None:
    return round(value, 4) if isinstance(value, float) else value
