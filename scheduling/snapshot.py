"""Load the planner's snapshot from the database, in a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from common import clock
from common.exceptions import PlatformError
from common.messages import find
from models_app.enums import Desired, RunState
from models_app.models import Run, ServedModel
from runtimes.enums import GpuMode
from runtimes.models import Gpu, Node
from runtimes.registry import framework
from scheduling.models import Allocation
from scheduling.planner import types
from scheduling.planner.backoff import BackOff, EndedRun

# More than any limit of attempts; the planner does not need older runs.
HISTORY_PER_MODEL = 64


def policy() -> types.Policy:
    return types.Policy(
        gpu_reserve_mib=settings.GPU_RESERVE_MIB,
        placement=settings.PLACEMENT,
        priority_gap=settings.PRIORITY_GAP,
        min_running_s=settings.MIN_RUNNING_SECONDS,
        cool_down_s=settings.COOL_DOWN_SECONDS,
        back_off=BackOff(
            first_s=settings.BACK_OFF_SECONDS, max_attempts=settings.MAX_ATTEMPTS
        ),
    )


def load() -> types.Snapshot:
    live = list(Run.objects.live())
    busy = {run.model_id for run in live}
    concerned = Q(desired_state=Desired.RUNNING) | Q(pk__in=busy)
    models = list(ServedModel.objects.filter(concerned))
    history = _history({model.pk: model.config for model in models})
    return types.Snapshot(
        nodes=load_nodes(),
        models=tuple(snapshot_of(model, history[model.pk]) for model in models),
        runs=_runs(live),
    )


def load_nodes() -> tuple[types.Node, ...]:
    gpus = defaultdict(list)
    for gpu in Gpu.objects.filter(present=True):
        gpus[gpu.node_id].append(
            types.Gpu(
                uuid=gpu.uuid,
                index=gpu.index,
                memory_mib=gpu.memory_mib,
                free_mib=gpu.free_mib,
                open=gpu.mode == GpuMode.OPEN and not gpu.reason_code,
                leave=gpu.mode == GpuMode.DRAINED,
                lost=gpu.lost,
                unhealthy=bool(gpu.unhealthy_code),
            )
        )
    return tuple(
        types.Node(
            name=node.name,
            cpu_cores=node.cpu_cores,
            memory_mib=node.memory_mib - settings.RESERVED_MEMORY_MIB,
            gpus=tuple(gpus[node.pk]),
            version=node.version,
        )
        for node in Node.objects.all()
    )


def _history(
    configs: Mapping[int, dict[str, object]],
) -> dict[int, dict[int, tuple[EndedRun, ...]]]:
    """By model and replica. configs: the current ones, by model id."""
    ended = (
        Run.objects.ended()
        .filter(model__desired_state=Desired.RUNNING, generation=F("model__generation"))
        .newest_per_model(HISTORY_PER_MODEL)
        .defer("log_tail")  # the largest column by far, and no plan reads it
        .order_by("-pk")
    )
    history: dict[int, dict[int, list[EndedRun]]] = defaultdict(dict)
    for run in ended:
        history[run.model_id].setdefault(run.replica, []).append(
            _ended(run, changed=run.config != configs.get(run.model_id))
        )
    return defaultdict(
        dict,
        {
            model: {replica: tuple(runs) for replica, runs in replicas.items()}
            for model, replicas in history.items()
        },
    )


def _ended(run: Run, *, changed: bool) -> EndedRun:
    """changed: it ran with another configuration, so its GPU memory does not count."""
    this_boot = run.boot_id == clock.boot_id()
    served = (
        (run.ended_uptime or 0) - run.ready_uptime
        if this_boot and run.ready_uptime is not None
        else 0
    )
    return EndedRun(
        code=run.end_code,
        params=run.end_params,
        retry=find(run.end_code).retry,
        ended=run.ended_uptime if this_boot else None,
        served_s=served,
        gpu_room_mib=0 if changed else run.gpu_room_mib or 0,
    )


def snapshot_of(
    model: ServedModel, history: Mapping[int, tuple[EndedRun, ...]]
) -> types.Model:
    """The model need not be saved."""
    since = model.waiting_since or model.created_at or timezone.now()
    return types.Model(
        id=model.pk or 0,
        name=model.name,
        wanted=model.desired_state == Desired.RUNNING,
        generation=model.generation,
        priority=model.priority,
        waiting_since=since.timestamp(),
        replicas=model.replicas,
        cpu_cores=_cpu_cores(model),
        memory_mib=model.memory_mib,
        gpu_count=model.gpu_count,
        gpu_memory_mib=model.gpu_memory_mib,
        history=history,
        preemptible=model.preemptible,
        preempts=model.preempts,
        placement=model.placement,
        pinned=tuple(model.pinned_gpus),
        evicted_s=_since_eviction(history),
    )


def _since_eviction(history: Mapping[int, tuple[EndedRun, ...]]) -> float | None:
    evicted = [
        run.ended
        for runs in history.values()
        for run in runs
        if run.code == "preempted" and run.ended is not None
    ]
    return clock.uptime() - max(evicted) if evicted else None


def _cpu_cores(model: ServedModel) -> int:
    if model.cpu_cores:
        return model.cpu_cores
    if model.gpu_count:
        return 1
    try:
        return framework(model.framework).cpu_cores(model.config)
    except PlatformError:
        return 1  # its launch reports the error


def _runs(live: Iterable[Run]) -> tuple[types.Run, ...]:
    gpus: dict[int, dict[str, int]] = defaultdict(dict)
    for held in Allocation.objects.exclude(run__state=RunState.ENDED).values_list(
        "run_id", "gpu__uuid", "mib"
    ):
        gpus[held[0]][held[1]] = held[2]
    return tuple(
        types.Run(
            uid=run.uid,
            model_id=run.model_id,
            replica=run.replica,
            generation=run.generation,
            node=run.node,
            cpu_cores=run.cpu_cores,
            memory_mib=run.memory_mib,
            gpus=gpus[run.pk],
            used=run.gpu_used,
            stopping=run.state in RunState.STOPPING,
            taken=run.ready_at is not None,
            traffic=run.traffic,
            running_s=clock.uptime() - run.placed_uptime,
            age=run.pk,
        )
        for run in live
    )
