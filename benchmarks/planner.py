"""How long plan() takes, by size: half of the models run, half wait.

python benchmarks/planner.py
"""

import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from scheduling.planner.plan import plan
from scheduling.planner.types import Gpu, Model, Node, Policy, Run, Snapshot
from scheduling.simulation.scenario import SHAPES

NOW = 1_000_000.0


def a_snapshot(gpus: int, models: int, seed: int) -> Snapshot:
    """Machines of 8 GPUs, filled by planning; then as many models again arrive."""
    chance = random.Random(seed)
    nodes = tuple(
        Node(
            name=f"n{n:04}",
            cpu_cores=96,
            memory_mib=1_000_000,
            gpus=tuple(
                Gpu(uuid=f"n{n:04}-{g}", index=g, memory_mib=80_000) for g in range(8)
            ),
        )
        for n in range(max(1, gpus // 8))
    )
    wanted = tuple(a_model(chance, n) for n in range(models))
    empty = Snapshot(nodes=nodes, models=wanted[: models // 2], runs=())
    running = tuple(
        Run(
            uid=str(n),
            model_id=p.model_id,
            replica=p.replica,
            generation=1,
            node=p.node,
            cpu_cores=p.cpu_cores,
            memory_mib=p.memory_mib,
            gpus=dict(p.gpus),
            running_s=3600,
            age=n,
        )
        for n, p in enumerate(plan(empty, Policy(), NOW).placements)
    )
    return Snapshot(nodes=nodes, models=wanted, runs=running)


def a_model(chance: random.Random, n: int) -> Model:
    count, share = chance.choices(list(SHAPES), list(SHAPES.values()))[0]
    return Model(
        id=n,
        name=f"m{n}",
        wanted=True,
        generation=1,
        priority=chance.randint(1, 10),
        waiting_since=n,
        replicas=1,
        cpu_cores=chance.choice([1, 2, 4]),
        memory_mib=chance.choice([2_000, 8_000]),
        gpu_count=count,
        gpu_memory_mib=count * share,
    )


def main() -> None:
    print("gpus   models  running  waiting  median ms  p95 ms  evictions")
    for gpus in (10, 100, 1_000, 10_000):
        times, evictions, running, waiting = [], 0, 0, 0
        for seed in range(20 if gpus < 10_000 else 5):
            seen = a_snapshot(gpus, gpus * 5, seed)
            begun = time.perf_counter()
            decided = plan(seen, Policy(), NOW)
            times.append((time.perf_counter() - begun) * 1000)
            evictions = max(evictions, len(decided.stops))
            running, waiting = len(seen.runs), len(decided.reasons)
        p95 = statistics.quantiles(times, n=20)[-1]
        print(
            f"{gpus:<6} {gpus * 5:<7} {running:<8} {waiting:<8} "
            f"{statistics.median(times):>9.1f} {p95:>7.1f} {evictions:>9}",
            flush=True,
        )


if __name__ == "__main__":
    main()
