"""Lines about what the machines have: ports, processors, memory, GPUs."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.db.models import Max
from django.utils.translation import gettext as _

from common.messages import render
from common.problems import Problem
from models_app.models import Run
from runtimes.checks.finding import Finding, Level, ok, start_roles, warning
from runtimes.drivers.procfs import ports_in_use
from runtimes.enums import GpuMode
from runtimes.frameworks.base import Estimate
from runtimes.machine.limits import cores_of
from runtimes.models import Gpu, Node
from runtimes.preflight.bookings import Left, most_left
from runtimes.preflight.model_lines import Asked, Look
from runtimes.preflight.room import (
    Card,
    Wish,
    gpus_finding,
    memory_finding,
    port_finding,
    would_wait,
)
from runtimes.sizing import Sizes, measured


def port(asked: Asked) -> Finding:
    """Ports of live runs count as taken, whether anybody listens there yet or not."""
    runs = Run.objects.live().filter(node=settings.NODE_NAME)
    taken = ports_in_use() | set(runs.values_list("port", flat=True))
    ports = settings.ENGINE_PORTS
    free = sum(number not in taken for number in ports)
    return port_finding(ports[0], ports[-1], free, asked.model.replicas)


def cpu(asked: Asked) -> Finding:
    most = Node.objects.aggregate(most=Max("cpu_cores"))["most"]
    if most is None:
        return _no_machine("cpu")
    fields = ("framework", "config", "gpu_count", "cpu_cores")
    _field, cores = cores_of({name: getattr(asked.model, name) for name in fields})
    left = most_left("cpu_cores", asked.model)
    if left and cores > left.may_have:
        words = _short_of("insufficient_cpu", cores, left)
        return warning("cpu", words, would_wait())
    shown = {"cores": cores, "most": most}
    return ok("cpu", _("%(cores)s of %(most)s cores.") % shown)


def memory(asked: Asked) -> Finding:
    most = Node.objects.aggregate(most=Max("memory_mib"))["most"]
    if most is None:
        return _no_machine("memory")
    told = _estimate(asked)
    if isinstance(told, Problem) and told.code != "no_estimate":
        advice = _("Set the memory by hand.")
        return warning("memory", render(told.code, told.params), advice)
    usable = most - settings.RESERVED_MEMORY_MIB
    share = told.host if isinstance(told, Estimate) else None
    taken, given = _measured(asked).memory_mib or 0, asked.model.memory_mib
    found = memory_finding(share, taken, given, usable)
    left = most_left("memory_mib", asked.model, settings.RESERVED_MEMORY_MIB)
    if found.level == Level.OK and left and given > left.may_have:
        words = _short_of("insufficient_memory", given, left)
        return warning("memory", f"{found.message} {words}", would_wait())
    return found


def _short_of(code: str, needed: int, left: Left) -> str:
    params = {"node": left.node, "total": left.total, "free": left.free}
    return render(code, {"needed": needed, **params})


def gpus(asked: Asked) -> Finding:
    model = asked.model
    if not model.gpu_count:
        return ok("gpus", _("None asked for: it runs on the processor."))
    if not Node.objects.exists():
        return _no_machine("gpus")
    told = _estimate(asked)
    estimated = told.gpu.total_mib if isinstance(told, Estimate) else 0
    wish = Wish(
        count=model.gpu_count,
        mib=-(-model.gpu_memory_mib // model.gpu_count),
        needed_mib=max(estimated, _measured(asked).gpu_memory_mib or 0),
    )
    return gpus_finding(_cards(model.pinned_gpus), wish)


def _estimate(asked: Asked) -> Estimate | Problem | None:
    """None: its files cannot be looked at."""
    seen = asked.seen
    if not seen.contents or not seen.config or "architecture" in asked.troubles:
        return None
    return asked.rules.memory(seen.config, asked.model.gpu_count)


def _measured(asked: Asked) -> Sizes:
    """What fills all it is given tells nothing of what it needs."""
    seen = None if asked.rules.fills_memory else measured(asked.model)
    return seen or Sizes(gpu_memory_mib=None, memory_mib=None)


def _cards(pinned: list[str]) -> list[Card]:
    """What the planner keeps back is nobody's."""
    found = Gpu.objects.filter(present=True).select_related("node")
    if pinned:
        found = found.filter(uuid__in=pinned)
    return [_card(gpu) for gpu in found]


def _card(gpu: Gpu) -> Card:
    why = str(gpu.get_mode_display()) if gpu.mode != GpuMode.OPEN else ""
    if gpu.reason_code:
        why = render(gpu.reason_code, gpu.unhealthy_params)
    reserve = settings.GPU_RESERVE_MIB
    return Card(
        label=f"{gpu.index} {gpu.name}",
        node=gpu.node.name,
        memory_mib=gpu.memory_mib - reserve,
        free_mib=None if gpu.free_mib is None else gpu.free_mib - reserve,
        why=why,
    )


def _no_machine(subject: str) -> Finding:
    return warning(subject, render("no_node", {}), start_roles())


LOOKS: Mapping[str, Look] = {
    "port": port,
    "cpu": cpu,
    "memory": memory,
    "gpus": gpus,
}
