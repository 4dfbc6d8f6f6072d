"""The real planner in a simulated world with virtual time and seeded chance. Pure.

Users start and stop models, engines load, crash and drain, GPUs fail and return. After
each event the world calls plan() and applies the result. A violated invariant (room
booked twice, a replica that runs twice) ends the simulation.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from heapq import heappop, heappush
from random import Random

from common.enums import Retry
from scheduling.planner.backoff import EndedRun, assess
from scheduling.planner.capacity import sums
from scheduling.planner.plan import plan
from scheduling.planner.types import Model, Node, Placement, Policy, Run, Snapshot, Stop
from scheduling.simulation.scenario import Figures, Rates, Scale, a_model, machines

HOUR_S = 3600
# While a model waits, the planner runs at least this often.
TICK_S = 60
# The back-off needs no more ended runs of a replica.
HISTORY_PER_REPLICA = 10
# How failures are retried; all other ends are requested
RETRIES = {"engine_exited": Retry.BACKOFF, "gpu_lost": Retry.AT_ONCE}


class InvariantBroken(Exception):
    pass


@dataclass(slots=True)
class Engine:
    """stop_code: why it is stopping; empty while it is not."""

    run: Run
    placed: float
    ready: float | None = None
    stop_code: str = ""


def simulate(
    scale: Scale, rates: Rates, timer: Callable[[], float], policy: Policy | None = None
) -> Figures:
    """timer: returns seconds; measures plan()."""
    world = World(scale, rates, timer, policy or Policy())
    world.run_until(scale.hours * HOUR_S)
    world.count_unfinished_waits()
    return world.figures


class World:
    def __init__(
        self, scale: Scale, rates: Rates, timer: Callable[[], float], policy: Policy
    ) -> None:
        self.rates, self.timer, self.policy = rates, timer, policy
        self.chance = Random(scale.seed)  # noqa: S311 -- not a secret
        self.now = 0.0
        self.figures = Figures()
        self.nodes = {node.name: node for node in machines(scale)}
        self.models: dict[int, Model] = {}
        self.flaky: set[int] = set()
        self.engines: dict[tuple[int, int], Engine] = {}
        self.history: dict[int, dict[int, tuple[EndedRun, ...]]] = defaultdict(dict)
        self.waiting: dict[tuple[int, int], float] = {}
        self.evicted: dict[int, float] = {}
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.numbered = 0
        self.booked_mib = 0
        self.next_tick = math.inf
        self._populate(scale)

    def _populate(self, scale: Scale) -> None:
        """Half of the models start at once, as after a reboot."""
        for number in range(scale.models):
            model = a_model(self.chance, number, scale.gpus_per_node)
            self.models[number] = model
            if self.chance.random() < self.rates.flaky:
                self.flaky.add(number)
            late = self.chance.uniform(0, scale.hours * HOUR_S / 2)
            self._after(late if number % 2 else 0, partial(self.start, number))
        for node in self.nodes.values():
            for gpu in node.gpus:
                lose = partial(self.lose_gpu, node.name, gpu.uuid)
                self._after(self._hours(self.rates.gpu_loss_h), lose)

    def run_until(self, end: float) -> None:
        while self.events and self.events[0][0] <= end:
            self._advance(self.events[0][0])
            while self.events and self.events[0][0] <= self.now:
                heappop(self.events)[2]()
            self._plan()
        self._advance(end)

    def _advance(self, time: float) -> None:
        passed, self.now = time - self.now, time
        gpus = (gpu for node in self.nodes.values() for gpu in node.gpus if gpu.open)
        self.figures.available += passed * sum(gpu.memory_mib for gpu in gpus)
        self.figures.booked += passed * self.booked_mib

    def _after(self, seconds: float, event: Callable[[], None]) -> None:
        if seconds < math.inf:
            self.numbered += 1
            heappush(self.events, (self.now + seconds, self.numbered, event))

    def _hours(self, mean: float) -> float:
        """Seconds until a random event."""
        if mean == math.inf:
            return math.inf
        return self.chance.expovariate(1 / mean) * HOUR_S

    # Events caused by users

    def start(self, number: int) -> None:
        model = self.models[number]
        self.models[number] = replace(
            model,
            wanted=True,
            generation=model.generation + 1,
            waiting_since=self.now,
        )
        self.history.pop(number, None)
        for replica in range(model.replicas):
            self.waiting[number, replica] = self.now
        self._after(self._hours(self.rates.wanted_h), partial(self.stop, number))

    def stop(self, number: int) -> None:
        model = self.models[number] = replace(self.models[number], wanted=False)
        for replica in range(model.replicas):
            self._count_wait(model, replica)
        self._after(self._hours(self.rates.unwanted_h), partial(self.start, number))

    # Events of engines and GPUs

    def _become_ready(self, uid: str, slot: tuple[int, int]) -> None:
        engine = self._engine(uid, slot)
        if engine is None or engine.stop_code:
            return
        if slot[0] in self.flaky:
            self._fail(engine, "engine_exited")
            return
        engine.ready = self.now
        engine.run = replace(engine.run, taken=True)
        crash = partial(self._crash, uid, slot)
        self._after(self._hours(self.rates.crash_h), crash)

    def _crash(self, uid: str, slot: tuple[int, int]) -> None:
        engine = self._engine(uid, slot)
        if engine is not None and not engine.stop_code:
            self._fail(engine, "engine_exited")

    def _drained(self, uid: str, slot: tuple[int, int]) -> None:
        engine = self._engine(uid, slot)
        if engine is not None:
            self._end(engine, engine.stop_code)

    def lose_gpu(self, name: str, uuid: str) -> None:
        self.figures.gpus_lost += 1
        self._open_gpu(name, uuid, False)
        for engine in [e for e in self.engines.values() if uuid in e.run.gpus]:
            if engine.stop_code:
                self._end(engine, engine.stop_code)
            else:
                if self.models[engine.run.model_id].wanted:
                    slot = (engine.run.model_id, engine.run.replica)
                    self.waiting[slot] = self.now
                self._fail(engine, "gpu_lost")
        self._after(
            self._hours(self.rates.gpu_repair_h), partial(self._repair, name, uuid)
        )

    def _repair(self, name: str, uuid: str) -> None:
        self._open_gpu(name, uuid, True)
        lose = partial(self.lose_gpu, name, uuid)
        self._after(self._hours(self.rates.gpu_loss_h), lose)

    def _open_gpu(self, name: str, uuid: str, is_open: bool) -> None:
        node = self.nodes[name]
        gpus = [replace(g, open=is_open) if g.uuid == uuid else g for g in node.gpus]
        self.nodes[name] = replace(node, gpus=tuple(gpus))

    def _engine(self, uid: str, slot: tuple[int, int]) -> Engine | None:
        engine = self.engines.get(slot)
        return engine if engine is not None and engine.run.uid == uid else None

    def _fail(self, engine: Engine, code: str) -> None:
        self._end(engine, code)
        past = self.history[engine.run.model_id].get(engine.run.replica, ())
        verdict = assess(past, self.policy.back_off, self.now)
        if verdict.code == "retrying":
            self._after(float(str(verdict.params["seconds"])), _replan)
        elif verdict.start:
            self._after(0, _replan)
        else:
            self.figures.given_up.add(engine.run.model_id)
            self.waiting.pop((engine.run.model_id, engine.run.replica), None)

    def _end(self, engine: Engine, code: str) -> None:
        run = engine.run
        del self.engines[run.model_id, run.replica]
        self.booked_mib -= sum(run.gpus.values())
        if run.generation < self.models[run.model_id].generation:
            return
        served_s = self.now - engine.ready if engine.ready is not None else 0
        retry = RETRIES.get(code, Retry.REQUESTED)
        ended = EndedRun(code=code, ended=self.now, served_s=served_s, retry=retry)
        past = self.history[run.model_id]
        past[run.replica] = (ended, *past.get(run.replica, ()))[:HISTORY_PER_REPLICA]

    # The platform

    def _plan(self) -> None:
        snapshot = self.snapshot()
        started = self.timer()
        decided = plan(snapshot, self.policy, self.now)
        self.figures.plans.append(self.timer() - started)
        for stop in decided.stops:
            self._stop_engine(stop)
        for placement in decided.placements:
            self._launch(placement)
        self._check()
        if decided.reasons and not self.now < self.next_tick <= self.now + TICK_S:
            self.next_tick = self.now + TICK_S
            self._after(TICK_S, _replan)

    def snapshot(self) -> Snapshot:
        models = (
            replace(
                model,
                history=self.history.get(number, {}),
                evicted_s=self.now - self.evicted[number]
                if number in self.evicted
                else None,
            )
            for number, model in self.models.items()
        )
        runs = (
            replace(e.run, stopping=bool(e.stop_code), running_s=self.now - e.placed)
            for e in self.engines.values()
        )
        return Snapshot(
            nodes=tuple(self.nodes.values()), models=tuple(models), runs=tuple(runs)
        )

    def _stop_engine(self, stop: Stop) -> None:
        engine = next(e for e in self.engines.values() if e.run.uid == stop.run_uid)
        run = engine.run
        slot = (run.model_id, run.replica)
        engine.stop_code = stop.code
        if stop.code == "preempted":
            self.figures.evictions += 1
            self.evicted[run.model_id] = self.waiting[slot] = self.now
            model = self.models[run.model_id]
            self.models[run.model_id] = replace(model, waiting_since=self.now)
        drain_s = self.chance.uniform(*self.rates.drain_s)
        self._after(drain_s, partial(self._drained, run.uid, slot))

    def _launch(self, placed: Placement) -> None:
        slot = (placed.model_id, placed.replica)
        if slot in self.engines:
            raise InvariantBroken(f"replica {slot} placed while a run of it is live")
        self.numbered += 1
        run = Run(
            uid=f"r{self.numbered}",
            model_id=placed.model_id,
            replica=placed.replica,
            generation=placed.generation,
            node=placed.node,
            cpu_cores=placed.cpu_cores,
            memory_mib=placed.memory_mib,
            gpus=dict(placed.gpus),
            traffic=self.chance.randint(0, 20),
            age=self.numbered,
        )
        closed = {g.uuid for g in self.nodes[run.node].gpus if not g.open}
        if closed & set(run.gpus):
            raise InvariantBroken(f"{run.uid} placed on a closed GPU")
        past = self.history.get(run.model_id, {}).get(run.replica, ())
        self.figures.restarts += bool(past) and past[0].retry.is_failure
        self._count_wait(self.models[run.model_id], run.replica)
        self.engines[slot] = Engine(run, self.now)
        self.booked_mib += sum(run.gpus.values())
        load_s = self.chance.uniform(*self.rates.load_s)
        self._after(load_s, partial(self._become_ready, run.uid, slot))

    def _count_wait(self, model: Model, replica: int) -> None:
        since = self.waiting.pop((model.id, replica), None)
        if since is not None:
            self.figures.waits[model.priority].append(self.now - since)

    def count_unfinished_waits(self) -> None:
        for number, replica in list(self.waiting):
            self._count_wait(self.models[number], replica)

    def _check(self) -> None:
        here: dict[str, list[Run]] = defaultdict(list)
        for engine in self.engines.values():
            here[engine.run.node].append(engine.run)
        for name, runs in here.items():
            if is_overbooked(self.nodes[name], runs):
                raise InvariantBroken(f"{name} is overbooked")


def is_overbooked(node: Node, runs: Sequence[Run]) -> bool:
    booked = sums(run.gpus for run in runs)
    return (
        sum(run.cpu_cores for run in runs) > node.cpu_cores
        or sum(run.memory_mib for run in runs) > node.memory_mib
        or any(booked.get(gpu.uuid, 0) > gpu.memory_mib for gpu in node.gpus)
    )


def _replan() -> None:
    """An event that only makes the planner run."""
