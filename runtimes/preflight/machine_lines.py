"""Lines about the machines: ports, processors, memory, GPUs and placement."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.utils.translation import gettext as _

from common.messages import render
from common.problems import Problem
from models_app.models import Run
from runtimes.checks.finding import Finding, Level, ok, start_roles, warning
from runtimes.drivers.procfs import ports_in_use
from runtimes.enums import GpuMode
from runtimes.frameworks.base import Estimate
from runtimes.machine.limits import cores_of
from runtimes.models import Gpu
from runtimes.ports import planner
from runtimes.preflight import placement
from runtimes.preflight.model_lines import Candidate, Line
from runtimes.preflight.sizes import (
    gpu_memory_finding,
    memory_finding,
    port_finding,
)
from runtimes.sizing import Sizes, measured


def port(candidate: Candidate) -> Finding:
    """Ports of live runs count as taken, whether the engine listens yet or not."""
    if not candidate.driver.engine_host:
        return ok("port", _("Not needed: the engine listens on a Unix socket."))
    runs = Run.objects.live().filter(node=settings.NODE_NAME)
    taken = ports_in_use() | set(runs.values_list("port", flat=True))
    ports = settings.ENGINE_PORTS
    free = sum(number not in taken for number in ports)
    return port_finding(ports[0], ports[-1], free, candidate.model.replicas)


def cpu(candidate: Candidate) -> Finding:
    most = planner.get().capacity()
    if most is None:
        return _no_machine("cpu")
    if short := placement.shortage_of("cpu", candidate.forecast):
        return short
    fields = ("framework", "config", "gpu_count", "cpu_cores")
    _field, cores = cores_of({name: getattr(candidate.model, name) for name in fields})
    params = {"cores": cores, "most": most.cpu_cores}
    return ok("cpu", _("%(cores)s of %(most)s cores.") % params)


def memory(candidate: Candidate) -> Finding:
    most = planner.get().capacity()
    if most is None:
        return _no_machine("memory")
    estimate = _estimate(candidate)
    if isinstance(estimate, Problem) and estimate.code != "no_estimate":
        advice = _("Set the memory manually.")
        return warning("memory", render(estimate.code, estimate.params), advice)
    share = estimate.host if isinstance(estimate, Estimate) else None
    taken, given = _measured(candidate).memory_mib or 0, candidate.model.memory_mib
    found = memory_finding(share, taken, given, most.memory_mib)
    if found.level != Level.OK:
        return found
    return placement.shortage_of("memory", candidate.forecast, found.message) or found


def gpus(candidate: Candidate) -> Finding:
    model = candidate.model
    if not model.gpu_count:
        return ok("gpus", _("No GPUs requested: the model runs on the CPU."))
    most = planner.get().capacity()
    if most is None:
        return _no_machine("gpus")
    closed = _closed(model.pinned_gpus)
    short = placement.shortage_of("gpus", candidate.forecast, after=" ".join(closed))
    if short and short.level == Level.ERROR:
        return short
    estimate = _estimate(candidate)
    estimated = estimate.gpu.total_mib if isinstance(estimate, Estimate) else 0
    found = gpu_memory_finding(
        model.gpu_count,
        model.gpu_memory_mib,
        max(estimated, _measured(candidate).gpu_memory_mib or 0),
        most.gpu_mib,
    )
    return found if found.level != Level.OK else short or found


def _estimate(candidate: Candidate) -> Estimate | Problem | None:
    """None if its files cannot be read."""
    inspection = candidate.inspection
    if (
        not inspection.contents
        or not inspection.config
        or "architecture" in candidate.problems
    ):
        return None
    return candidate.rules.memory(inspection.config, candidate.model.gpu_count)


def _measured(candidate: Candidate) -> Sizes:
    """Unknown for an engine that fills all the memory it is given."""
    seen = None if candidate.rules.fills_memory else measured(candidate.model)
    return seen or Sizes(gpu_memory_mib=None, memory_mib=None)


def _closed(pinned: list[str]) -> list[str]:
    """Closed GPUs, each with its reason."""
    found = Gpu.objects.filter(present=True).order_by("node__name", "index")
    if pinned:
        found = found.filter(uuid__in=pinned)
    return [f"{gpu.index} {gpu.name}: {why}" for gpu in found if (why := _why(gpu))]


def _why(gpu: Gpu) -> str:
    if gpu.reason_code:
        return render(gpu.reason_code, gpu.unhealthy_params)
    return str(gpu.get_mode_display()) if gpu.mode != GpuMode.OPEN else ""


def _no_machine(subject: str) -> Finding:
    return warning(subject, render("no_node", {}), start_roles())


LINES: Mapping[str, Line] = {
    "port": port,
    "cpu": cpu,
    "memory": memory,
    "gpus": gpus,
    "placement": placement.line,
}
