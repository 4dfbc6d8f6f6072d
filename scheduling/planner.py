"""plan(snapshot, policy, now): what to start, what to stop, and why the rest waits.

Pure and deterministic. Models are served in order of priority, then of waiting time.
Each of them, by the first that is possible,
1. starts where there is room now;
2. is kept the room that stopping runs will leave;
3. evicts lower ones, and is kept their room;
4. waits, and what is free of the room it needs is kept for it.
What is kept for one is never given to those after it; they may use the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from scheduling.capacity import Need, Room, Site, placement, shortage, sites
from scheduling.eviction import Eviction, Search
from scheduling.helps import helps_for
from scheduling.packing import pack
from scheduling.picture import (
    Model,
    Placement,
    Plan,
    Policy,
    Reason,
    Run,
    Snapshot,
    Stop,
)
from scheduling.recovery import Verdict, assess

# Suggestions are worked out for those that people look at first.
EXPLAINED = 20
# Beyond so many placements in one plan, none of them is moved again for another.
MOVABLE = 16
PACKING_STEPS = 2000


def plan(snapshot: Snapshot, policy: Policy, now: float) -> Plan:
    """now: seconds since boot, the clock of EndedRun.ended."""
    board = Board.of(snapshot, policy)
    queue = sorted((m for m in snapshot.models if m.wanted), key=order)
    for model in queue:
        for replica in range(model.replicas):
            if not board.settle(model, replica, now):
                break
    return Plan(
        stops=(*_stops(snapshot, board.models), *board.evictions),
        placements=tuple(board.placements),
        reasons=board.reasons,
    )


def order(model: Model) -> tuple[int, float, int]:
    return (-model.priority, model.waiting_since, model.id)


@dataclass(slots=True)
class Board:
    """The picture as it changes while models are served one after the other."""

    models: dict[int, Model]
    policy: Policy
    sites: list[Site]
    search: Search
    holders: dict[tuple[int, int], Run]
    placements: list[Placement] = field(default_factory=list)
    evictions: list[Stop] = field(default_factory=list)
    reasons: dict[int, Reason] = field(default_factory=dict)
    waiting: int = 0
    # Room only shrinks during a plan: what has none for a need finds none later on.
    with_room: dict[Need, list[Site]] = field(default_factory=dict)
    no_room_later: set[Need] = field(default_factory=set)
    no_victims: dict[Need, int] = field(default_factory=dict)
    to_keep: dict[Need, list[Site]] = field(default_factory=dict)
    shortages: dict[Need, Reason] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot, policy: Policy) -> Board:
        models = {model.id: model for model in snapshot.models}
        leaving = {stop.run_uid for stop in _stops(snapshot, models)}
        runs = [
            replace(run, stopping=True) if run.uid in leaving else run
            for run in snapshot.runs
        ]
        found = sites(snapshot.nodes, runs, policy)
        holders = {(run.model_id, run.replica): run for run in runs}
        return cls(models, policy, found, Search(models, policy), holders)

    def settle(self, model: Model, replica: int, now: float) -> bool:
        """False if this replica waits: those after it would too. One whose run is on
        its way out cannot start yet, but has its turn: a restarted model finds its
        place again, an evicted one its rank."""
        holder = self.holders.get((model.id, replica))
        if holder is not None:
            return not holder.stopping or self.wait(model, told=False)
        verdict = assess(model.history.get(replica, ()), self.policy.back_off, now)
        if not verdict.start:
            self.reasons.setdefault(model.id, _error(verdict))
            return True
        need = Need.of(model, self.policy)
        return (
            self._start(model, replica, need)
            or self._start_by_moving(model, replica, need)
            or self.wait(model)
        )

    def wait(self, model: Model, told: bool = True) -> bool:
        need = Need.of(model, self.policy)
        coming = self._where_room_comes(model, need) or self._evict(model, need)
        site = coming or self._nearest(model, need)
        if told:
            self._explain(model, need, site, coming is not None)
        if coming:
            _hold(coming, need)
        elif site:
            guard = model.priority - self.policy.priority_gap + 1
            gpus = _nearest_gpus(self._without_lower(site, model), site.empty, need)
            site.keep(need, gpus, guard if model.preempts else 0)
        return False

    def _start(self, model: Model, replica: int, need: Need) -> bool:
        fitting = self.with_room.get(need, self.sites)
        fitting = [site for site in fitting if site.now.fits(need)]
        self.with_room[need] = fitting
        allowed = [site for site in fitting if site.now_for(model).fits(need)]
        if not allowed:
            return False
        site = min(allowed, key=lambda site: site.now.order(need))
        self._put(site, model, replica, need, site.now_for(model).choose(need) or ())
        return True

    def _put(
        self, site: Site, model: Model, replica: int, need: Need, gpus: tuple[str, ...]
    ) -> None:
        site.take(need, gpus)
        self.placements.append(placement(model, replica, site.now, gpus))

    def _start_by_moving(self, model: Model, replica: int, need: Need) -> bool:
        """Find other places for what this plan has placed, so that this fits too."""
        others = [self.models[p.model_id] for p in self.placements]
        if not others or len(others) > MOVABLE:
            return False
        involved = [*others, model]
        open_sites = [s for s in self.sites if not any(map(s.keeps_from, involved))]
        names = {site.node.name for site in open_sites}
        if not all(p.node in names for p in self.placements):
            return False
        self._lift_all()
        needs = [Need.of(m, self.policy) for m in involved]
        spots = pack(needs, [site.now for site in open_sites], PACKING_STEPS)
        if spots is None:
            self._put_back()
            return False
        moved = [
            *((p.model_id, p.replica) for p in self.placements),
            (model.id, replica),
        ]
        self.placements.clear()
        for (room, gpus), (owner, nth), of in zip(spots, moved, needs, strict=True):
            self._put(self._site(room.node.name), self.models[owner], nth, of, gpus)
        return True

    def _lift_all(self) -> None:
        for placed in self.placements:
            need = Need.of(self.models[placed.model_id], self.policy)
            self._site(placed.node).give_back(need, [uuid for uuid, _ in placed.gpus])

    def _put_back(self) -> None:
        for placed in self.placements:
            need = Need.of(self.models[placed.model_id], self.policy)
            self._site(placed.node).take(need, [uuid for uuid, _ in placed.gpus])

    def _site(self, name: str) -> Site:
        return next(site for site in self.sites if site.node.name == name)

    def _where_room_comes(self, model: Model, need: Need) -> Site | None:
        if need in self.no_room_later:
            return None
        fitting = [site for site in self.sites if site.later.fits(need)]
        if not fitting:
            self.no_room_later.add(need)
        allowed = [site for site in fitting if site.later_for(model).fits(need)]
        return min(allowed, key=lambda site: site.later.order(need), default=None)

    def _evict(self, model: Model, need: Need) -> Site | None:
        if not model.preempts or self.no_victims.get(need, -1) >= model.priority:
            return None
        if len(self.evictions) >= self.policy.max_evictions:
            return None
        found = self.search.best(self.sites, need, model)
        if found is None:
            self.no_victims[need] = model.priority
            return None
        self._carry_out(found, model)
        return found.site

    def _carry_out(self, eviction: Eviction, model: Model) -> None:
        site = eviction.site
        for run in eviction.victims:
            site.runs.remove(run)
            site.later.release(run)
            self.holders[run.model_id, run.replica] = replace(run, stopping=True)
            why: dict[str, object] = {"by": model.name, "priority": model.priority}
            self.evictions.append(Stop(run_uid=run.uid, code="preempted", params=why))
        # Room has grown: others may fit beside the one it was made for.
        self.no_room_later.clear()

    def _nearest(self, model: Model, need: Need) -> Site | None:
        """Of the machines it could ever run on, each once, the one nearest to enough.
        Runs below it count as gone: whether they are there must not change the choice,
        or the room would be kept now here, now there."""
        if need not in self.to_keep:
            able = [site for site in self.sites if site.empty.fits(need)]
            near = {
                site.node.name: _missing_share(self._without_lower(site, model), need)
                for site in able
            }
            able.sort(key=lambda s: (near[s.node.name], s.node.name), reverse=True)
            self.to_keep[need] = able
        return self.to_keep[need].pop() if self.to_keep[need] else None

    def _without_lower(self, site: Site, model: Model) -> Room:
        room = site.later.copy()
        for run in site.runs:
            if self.search.outranks(model, run):
                room.release(run)
        return room

    def _explain(
        self, model: Model, need: Need, site: Site | None, coming: bool
    ) -> None:
        self.waiting += 1
        helped = self.waiting <= EXPLAINED and not coming
        self.reasons[model.id] = replace(
            _room_is_made(site) if site and coming else self._why(model, need, site),
            position=self.waiting,
            nominated=site.node.name if site else "",
            helps=helps_for(model, need, self.sites, self.search) if helped else (),
        )

    def _why(self, model: Model, need: Need, site: Site | None) -> Reason:
        if not self.sites:
            return Reason(status="waiting", code="no_node")
        if site is not None:
            return shortage(site.now_for(model), need)
        if need not in self.shortages:
            nearest = min(
                self.sites,
                key=lambda site: (_missing_share(site.now, need), site.node.name),
            )
            self.shortages[need] = shortage(nearest.now, need)
        return self.shortages[need]


def _room_is_made(site: Site) -> Reason:
    return Reason(status="waiting", code="making_room", params={"node": site.node.name})


def _hold(site: Site, need: Need) -> None:
    gpus = site.later.choose(need) or ()
    site.later.take(need, gpus)
    site.now.hold(need, gpus)


def _missing_share(room: Room, need: Need) -> float:
    """How much of what it needs is not there, 0 to 3."""
    wanted = (
        (room.cpu_cores, need.cpu_cores),
        (room.memory_mib, need.memory_mib),
        (len(room.fitting_gpus(need)), need.gpu_count),
    )
    return sum(1 - min(max(has, 0) / of, 1) for has, of in wanted if of)


def _nearest_gpus(room: Room, empty: Room, need: Need) -> tuple[str, ...]:
    """The emptiest it could ever use: they are soonest enough."""
    usable = [
        (-free, uuid)
        for uuid, free in room.gpus.items()
        if empty.gpus[uuid] >= max(need.gpu_share_mib, 1)
        and (not need.pinned or uuid in need.pinned)
    ]
    return tuple(uuid for _, uuid in sorted(usable)[: need.gpu_count])


def _error(verdict: Verdict) -> Reason:
    return Reason(status="error", code=verdict.code, params=verdict.params)


def _stops(snapshot: Snapshot, models: dict[int, Model]) -> Iterator[Stop]:
    left = {gpu.uuid for node in snapshot.nodes for gpu in node.gpus if gpu.leave}
    for run in snapshot.runs:
        code = "" if run.stopping else _why_stop(run, models.get(run.model_id), left)
        if code:
            yield Stop(run_uid=run.uid, code=code)


def _why_stop(run: Run, model: Model | None, left: set[str]) -> str:
    if model is None or not model.wanted:
        return "stopped"
    if run.generation < model.generation:
        return "restarted"
    if run.replica >= model.replicas:
        return "scaled_down"
    return "" if left.isdisjoint(run.gpus) else "gpu_drained"
