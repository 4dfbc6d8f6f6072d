"""Snapshots and plans as text, for table-driven tests.

nodes:  "a: 4 cpu, 8000 mem, gpus 24000 24000"
        a GPU "24000/9000" has 9000 measured free; "24000x" takes no new runs;
        "24000d" is drained, "24000l" lost, "24000u" unhealthy
models: "chat: 2 cpu, prio 5" ... "1 gpu of 20000", "x2" replicas, "gen 3", "stopped",
        "firm" is not preemptible, "meek" never preempts, "spread", "pin a1", "cooling"
runs:   "chat/0 on a" ... "gen 2", "stopping", "taken", "new" (just started),
        "traffic 3"; a run holds what its model needs; "uses 15000": measured on
        each of its GPUs
"""

import re

from scheduling.planner.types import Gpu, Model, Node, Plan, Run, Snapshot


def number(pattern: str, text: str, default: int) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else default


def node(text: str) -> Node:
    name, rest = text.split(":")
    sizes = re.search(r"gpus ([\d /xdlu]+)", rest)
    gpus = []
    for index, size in enumerate(sizes[1].split() if sizes else []):
        leave = size.endswith("d")
        lost, unhealthy = size.endswith("l"), size.endswith("u")
        total, _, free = size.rstrip("xdlu").partition("/")
        gpus.append(
            Gpu(
                uuid=f"{name}{index}",
                index=index,
                memory_mib=int(total),
                free_mib=int(free) if free else None,
                open=not size.endswith(("x", "d", "l", "u")),
                leave=leave,
                lost=lost,
                unhealthy=unhealthy,
            )
        )
    return Node(
        name=name,
        cpu_cores=number(r"(\d+) cpu", rest, 64),
        memory_mib=number(r"(\d+) mem", rest, 1_000_000),
        gpus=tuple(gpus),
    )


def model(position: int, text: str, history=None) -> Model:
    name, rest = text.split(":")
    gpus = re.search(r"(\d+) gpus? of (\d+)", rest)
    return Model(
        id=position,
        name=name,
        wanted="stopped" not in rest,
        generation=number(r"gen (\d+)", rest, 1),
        priority=number(r"prio (\d+)", rest, 5),
        waiting_since=number(r"since (\d+)", rest, position),
        replicas=number(r"x(\d+)", rest, 1),
        cpu_cores=number(r"(\d+) cpu", rest, 1),
        memory_mib=number(r"(\d+) mem", rest, 0),
        gpu_count=int(gpus[1]) if gpus else 0,
        gpu_memory_mib=int(gpus[1]) * int(gpus[2]) if gpus else 0,
        history=history or {},
        preemptible="firm" not in rest,
        preempts="meek" not in rest,
        placement="spread" if "spread" in rest else "",
        pinned=tuple(re.findall(r"pin (\w+)", rest)),
        evicted_s=1.0 if "cooling" in rest else None,
    )


def run(age: int, text: str, models: dict[str, Model]) -> Run:
    name, replica, where, gpus = re.match(
        r"(\w+)/(\d+) on (\w+)((?: \w\d)*)", text
    ).groups()
    of = models[name]
    held = gpus.split()
    uses = number(r"uses (\d+)", text, -1)
    return Run(
        uid=f"{name}{replica}",
        model_id=of.id,
        replica=int(replica),
        generation=number(r"gen (\d+)", text, of.generation),
        node=where,
        cpu_cores=of.cpu_cores,
        memory_mib=of.memory_mib,
        gpus=dict.fromkeys(held, of.gpu_share_mib),
        used=dict.fromkeys(held, uses) if uses >= 0 else None,
        stopping="stopping" in text,
        taken="taken" in text,
        running_s=1.0 if "new" in text else 3600.0,
        traffic=number(r"traffic (\d+)", text, 0),
        age=age,
    )


def snapshot(nodes, models, runs=(), history=None) -> Snapshot:
    made = [
        model(n, text, (history or {}).get(text.split(":")[0]))
        for n, text in enumerate(models, 1)
    ]
    by_name = {m.name: m for m in made}
    return Snapshot(
        nodes=tuple(map(node, nodes)),
        models=tuple(made),
        runs=tuple(run(n, text, by_name) for n, text in enumerate(runs, 1)),
    )


def outcome(plan: Plan, of: Snapshot) -> list[str]:
    names = {m.id: m.name for m in of.models}
    placed = [
        f"place {names[p.model_id]}/{p.replica} on "
        + " ".join([p.node, *(uuid for uuid, _ in p.gpus)])
        for p in plan.placements
    ]
    stopped = [
        f"stop {s.run_uid}: {s.code}" + (f" by {s.params['by']}" if s.params else "")
        for s in plan.stops
    ]
    waits = [f"{names[m]}: {r.status} {r.code}" for m, r in plan.reasons.items()]
    return [*stopped, *placed, *waits]
