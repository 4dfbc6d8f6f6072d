"""Apply a plan: one short, fenced transaction per decision.

A placement is a compare-and-swap of its machine's version. If no row changes, another
plan came first: this one is stale, the rest of it is dropped, and the next tick plans
again.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError, ProgrammingError, transaction

from common import broker, clock
from common.enums import Fault, Retry
from common.failpoints import reach
from common.messages import find
from models_app.activity import record
from models_app.enums import Desired, Status
from models_app.lifecycle import Blocked, reconcile_status
from models_app.models import Run, ServedModel
from models_app.runs import request_run_stop
from runtimes.drivers.procfs import ports_in_use
from runtimes.models import Gpu, Node
from runtimes.registry import driver
from scheduling import decisions
from scheduling.failures import Failures, summary
from scheduling.models import Allocation
from scheduling.planner.types import Placement, Plan, Reason, Snapshot, Stop

logger = logging.getLogger(__name__)

# A launch that has not started by then was lost with its worker and is sent again.
LAUNCH_DUE_S = 5

# Not of the connection: the database would refuse the same rows again.
REFUSALS = (DataError, IntegrityError, ProgrammingError)
# Of placements, by model id
FAILURES = Failures(settings.BACK_OFF_SECONDS)


class StalePlan(Exception):
    pass


class NoFreePort(Exception):
    """On one machine. Plans do not count ports, so its placements have to wait."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        ports = settings.ENGINE_PORTS
        params = {"node": node, "first": ports[0], "last": ports[-1]}
        self.reason = Reason(status="waiting", code="no_free_port", params=params)


def apply_plan(plan: Plan, snapshot: Snapshot) -> None:
    _stop(plan.stops)
    versions = {node.name: node.version for node in snapshot.nodes}
    try:
        not_placed = _place_all(plan.placements, versions)
    except StalePlan as error:
        logger.info("plan was stale, planning again: %s", error)
        broker.wake_scheduler()
        return
    reach("explain.started")
    placed = {p.model_id for p in plan.placements}
    reasons = {id: why for id, why in plan.reasons.items() if id not in placed}
    _explain({**reasons, **not_placed}, busy={run.model_id for run in snapshot.runs})


def _place_all(
    placements: Iterable[Placement], versions: dict[str, int]
) -> dict[int, Reason]:
    """By model id, the reasons of those that were not placed. Increments versions."""
    reasons = {}
    for placement in placements:
        if FAILURES.is_held(placement.model_id, clock.uptime()):
            reasons[placement.model_id] = _refused(placement)
            continue
        try:
            place(placement, versions[placement.node])
        except NoFreePort as error:
            reasons[placement.model_id] = error.reason
        except REFUSALS as error:
            _record_refusal(placement, error)
            reasons[placement.model_id] = _refused(placement)
        else:
            FAILURES.forget(placement.model_id)
            versions[placement.node] += 1
            reach("place.done")
    return reasons


def _record_refusal(placement: Placement, error: Exception) -> None:
    """Raises StalePlan the first time: another plan may have taken the replica or the
    port. The second time in a row, that is not the cause, and only this model waits."""
    text = summary(error)
    if FAILURES.record(placement.model_id, text, clock.uptime()):
        logger.warning("model %s was not placed: %s", placement.model_id, text)
    failure = FAILURES.get(placement.model_id)
    if failure and failure.count == 1:
        raise StalePlan(text) from error


def _refused(placement: Placement) -> Reason:
    failure = FAILURES.get(placement.model_id)
    params: dict[str, Any] = {"error": failure.text if failure else ""}
    return Reason(status="waiting", code="placement_refused", params=params)


def _stop(stops: Iterable[Stop]) -> None:
    by_uid = {stop.run_uid: stop for stop in stops}
    for run in Run.objects.live().select_related("model").filter(uid__in=by_uid):
        stop = by_uid[run.uid]
        # Requests in flight cannot finish on a GPU that is gone.
        reason = find(stop.code)
        gone = reason.fault is Fault.MACHINE
        drain_s = 0 if gone else settings.DRAIN_SECONDS
        with transaction.atomic():
            is_changed = request_run_stop(run, stop.code, stop.params, drain_s)
            if is_changed and reason.retry is Retry.EVICTED:
                decisions.record_eviction(run, stop.code, stop.params)
            reach("stop.requesting")
        reach("stop.requested")


def place(placement: Placement, version: int) -> Run:
    """Raises StalePlan, NoFreePort, or IntegrityError if, among others, another plan
    has taken the replica or the port."""
    with transaction.atomic():
        node = Node.objects.filter(name=placement.node, version=version)
        if not node.update(version=version + 1):
            raise StalePlan(f"machine {placement.node} changed")
        reach("place.fenced")
        model = ServedModel.objects.filter(
            pk=placement.model_id,
            desired_state=Desired.RUNNING,
            generation=placement.generation,
        ).first()
        if model is None:
            raise StalePlan(f"model {placement.model_id} changed or was stopped")
        run = _create_run(model, placement)
        record("run_scheduled", model=model, run=run, params={"node": run.node})
        decisions.record_placement(run)
        reconcile_status(model.pk)
        reach("place.booked")
        transaction.on_commit(partial(reach, "place.committed"))
        broker.enqueue("runtimes.tasks.launch", run.uid)
    return run


def _create_run(model: ServedModel, placement: Placement) -> Run:
    run = Run.objects.create(
        model=model,
        replica=placement.replica,
        generation=placement.generation,
        framework=model.framework,
        driver=model.driver,
        config=model.config,
        node=placement.node,
        port=_port_for(model.driver, placement.node),
        cpu_cores=placement.cpu_cores,
        memory_mib=placement.memory_mib,
        gpu_uuids=[uuid for uuid, _ in placement.gpus],
        gpu_room_mib=placement.gpu_room_mib,
        boot_id=clock.boot_id(),
        placed_uptime=clock.uptime(),
        deadline=clock.uptime() + LAUNCH_DUE_S,
    )
    gpus = {gpu.uuid: gpu for gpu in Gpu.objects.filter(uuid__in=run.gpu_uuids)}
    Allocation.objects.bulk_create(
        Allocation(run=run, gpu=gpus[uuid], mib=mib) for uuid, mib in placement.gpus
    )
    return run


def _port_for(driver_name: str, node: str) -> int | None:
    """A random port that nobody has, where engines need one. A launch that finds it in
    use by then draws again."""
    if not driver(driver_name).engine_host:
        return None
    taken = set(Run.objects.live().filter(node=node).values_list("port", flat=True))
    if node == settings.NODE_NAME:
        taken |= ports_in_use()
    free = [port for port in settings.ENGINE_PORTS if port not in taken]
    if not free:
        raise NoFreePort(node)
    return random.choice(free)  # noqa: S311 -- not a secret


def _explain(reasons: Mapping[int, Reason], busy: set[int]) -> None:
    """Reasons that are up to date cost one query for all models. A model with live runs
    is always updated, because its status depends on them as well."""
    for model in ServedModel.objects.filter(pk__in=reasons):
        reason = reasons[model.pk]
        blocked = Blocked(
            status=Status(reason.status), code=reason.code, params=reason.params
        )
        if model.pk in busy or blocked != _current(model):
            _record_reason(model, reason, blocked)


def _current(model: ServedModel) -> Blocked:
    return Blocked(
        status=Status(model.status),
        code=model.reason_code,
        params=model.reason_params,
    )


def _record_reason(model: ServedModel, reason: Reason, blocked: Blocked) -> None:
    with transaction.atomic():
        reconcile_status(model.pk, blocked)
        unchanged = ServedModel.objects.filter(
            pk=model.pk, status=blocked.status, reason_code=blocked.code
        )
        if decisions.is_new_reason(model, reason) and unchanged.exists():
            decisions.record_reason(model, reason)
        reach("explain.recorded")
