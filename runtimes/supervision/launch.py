"""Starts the engine of a placed run.

1. A run that can never work ends with its reason.
2. `starting` is committed: from here on an engine may exist.
3. The driver starts the engine, once for each uid however often it is called.
4. The handle is stored.

When a launch is cut off anywhere, a later tick repeats it without repeating the steps
that were done.
"""

from __future__ import annotations

import inspect
import logging
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Min

from common import clock
from common.failpoints import reach
from common.problems import Problem
from models_app import approvals
from models_app.activity import record
from models_app.enums import RunState
from models_app.models import Run, ServedModel
from models_app.runs import end, move
from runtimes.drivers.base import Bounds, DriverError, Handle
from runtimes.frameworks.base import Placement
from runtimes.frameworks.paths import responding
from runtimes.inspection import inspect_run
from runtimes.installations import discovery
from runtimes.models import Gpu
from runtimes.preflight.subjects import subject_of
from runtimes.registry import driver, framework
from runtimes.supervision.port import SPAWN_DUE_S, change_port, is_taken, relaunch

logger = logging.getLogger(__name__)

# End codes of problems that are not the configuration's, by their subject
REFUSED = {"architecture": "unknown_architecture", "format": "model_file_broken"}


def launch(uid: str) -> None:
    reach("launch.begun")
    run = Run.objects.live().select_related("model").filter(uid=uid).first()
    if run is None or run.handle is not None or not _may_start(run):
        return
    reach("launch.accepted")
    command = framework(run.framework).command(run.config, placement_of(run))
    try:
        handle = driver(run.driver).start(run.uid, command, _bounds(run))
    except DriverError as error:
        _fail(run, error)
        return
    reach("launch.spawned")
    store_handle(run, handle)
    reach("launch.stored")


def _may_start(run: Run) -> bool:
    """Steps 1 and 2. A run that is `starting` already has passed them."""
    if run.state != RunState.SCHEDULED:
        return run.state == RunState.STARTING
    inspection = inspect_run(run)
    if inspection.problems:
        _refuse(run, inspection.problems[0])
        return False
    if lapsed := approvals.missing(run.model_id, _setup(run)):
        end(run, lapsed[0].code, dict(lapsed[0].params))
        return False
    while run.port and is_taken(run.port):
        if not change_port(run):
            end(run, "port_in_use")
            return False
    contents, deadline = inspection.contents, clock.uptime() + SPAWN_DUE_S
    kind = contents.kind.value if contents else ""
    _update_kind(run, kind)
    return move(run, RunState.STARTING, deadline=deadline, model_kind=kind)


def _update_kind(run: Run, kind: str) -> None:
    """The file may have been replaced since the model was saved."""
    model = run.model
    if kind not in ("", model.model_kind) and not run.outdated_fields():
        ServedModel.objects.filter(pk=model.pk).update(model_kind=kind)


def _setup(run: Run) -> approvals.Setup:
    return approvals.Setup(
        framework=run.framework,
        driver=run.driver,
        config=run.config,
        gpu_count=len(run.gpu_uuids),
    )


def _refuse(run: Run, problem: Problem) -> None:
    if problem.code in ("file_missing", "file_unreadable", "not_a_file"):
        end(run, "model_file_missing", {"path": problem.params.get("path", "")})
    elif problem.code in ("engine_missing", "hub_offline", "mount_not_responding"):
        end(run, problem.code, dict(problem.params))
    else:
        cause = {"code": problem.code, "params": problem.params}
        end(run, REFUSED.get(subject_of(problem), "config_refused"), {"cause": cause})


def _fail(run: Run, error: DriverError) -> None:
    if error.code == "port_in_use" and change_port(run):
        relaunch(run)
    elif error.code in ("image_missing", "docker_unavailable", "port_in_use"):
        end(run, error.code, error.params)
    else:
        end(run, "launch_failed", {"detail": error.params.get("detail", error.code)})


def placement_of(run: Run) -> Placement:
    gpus = len(run.gpu_uuids)
    known = Gpu.objects.filter(uuid__in=run.gpu_uuids)
    return Placement(
        socket=run.socket,
        host=driver(run.driver).engine_host,
        port=run.port or 0,
        api_key=run.engine_key,
        model_name=run.model.name,
        cpu_cores=run.cpu_cores,
        gpu_uuids=tuple(run.gpu_uuids),
        program=_program(run),
        memory_mib=run.memory_mib,
        # As the planner books it
        gpu_share_mib=-(-run.model.gpu_memory_mib // gpus) if gpus else 0,
        gpu_total_mib=known.aggregate(mib=Min("memory_mib"))["mib"] or 0,
        downloads=settings.ENGINE_DOWNLOADS,
    )


def _program(run: Run) -> str:
    if run.driver != discovery.LOCAL_DRIVER:
        return ""
    engine = discovery.find(_engine_name(run))
    return engine.program if engine else ""


def _engine_name(run: Run) -> str:
    return framework(run.framework).engine(run.config, len(run.gpu_uuids))


def _bounds(run: Run) -> Bounds:
    return Bounds(
        framework=run.framework,
        engine=_engine_name(run),
        program=_program(run),
        readable=_readable(run),
        port=run.port or 0,
        cpu_cores=run.cpu_cores,
        memory_mib=run.memory_mib,
        gpu_uuids=tuple(run.gpu_uuids),
    )


def _readable(run: Run) -> tuple[Path, ...]:
    own = Path(inspect.getfile(type(framework(run.framework)))).parent
    roots = responding((*settings.MODEL_ROOTS, settings.HUB_DIR, settings.ENGINES_DIR))
    return (*roots, *settings.ENGINE_READ_PATHS, own)


def store_handle(run: Run, handle: Handle) -> bool:
    """False if another launch was faster, or the run has ended meanwhile."""
    deadline = clock.uptime() + settings.START_SECONDS
    with transaction.atomic():
        starting = Run.objects.filter(
            pk=run.pk, state=RunState.STARTING, handle__isnull=True
        )
        stored = starting.update(handle=handle.to_json(), deadline=deadline)
        if stored and not run.activity.filter(code="run_started").exists():
            record("run_started", model=run.model, run=run, params={"node": run.node})
    return bool(stored)
