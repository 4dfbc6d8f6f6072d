"""The picture while a plan is made: placed, evicted, kept and said so far. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from scheduling.planner.backoff import Verdict, assess, no_more_room, too_small_mib
from scheduling.planner.capacity import (
    Need,
    Room,
    Site,
    missing_share,
    placement,
    shortage,
    sites,
)
from scheduling.planner.packing import pack
from scheduling.planner.preemption import Eviction, Search
from scheduling.planner.ranking import Ranking
from scheduling.planner.suggestions import helps_for, smaller_context
from scheduling.planner.types import (
    Help,
    Model,
    Placement,
    Policy,
    Reason,
    Run,
    Snapshot,
    Stop,
)

# Suggestions are worked out for those that people look at first.
EXPLAINED = 20
# Beyond so many placements in one plan, none of them is moved again for another.
MOVABLE = 16
PACKING_STEPS = 2000


@dataclass(slots=True)
class Board:
    """The picture as it changes while models are served one after the other."""

    models: dict[int, Model]
    policy: Policy
    sites: list[Site]
    search: Search
    holders: dict[tuple[int, int], Run]
    by_now: Ranking
    by_later: Ranking
    # Positions of sites, in order of their changes.
    changed: list[int]
    positions: dict[str, int]
    placements: list[Placement] = field(default_factory=list)
    evictions: list[Stop] = field(default_factory=list)
    reasons: dict[int, Reason] = field(default_factory=dict)
    needs: dict[tuple[int, int], Need] = field(default_factory=dict)
    waiting: int = 0
    no_victims: dict[Need, int] = field(default_factory=dict)
    able: dict[Need, list[Site]] = field(default_factory=dict)
    to_keep: dict[Need, deque[Site]] = field(default_factory=dict)
    shortages: dict[Need, Reason] = field(default_factory=dict)
    # By machine, for whom, until it changes: room without those of lower priority.
    without_lower: dict[str, tuple[int, Room]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        models: dict[int, Model],
        stops: Iterable[Stop],
        policy: Policy,
    ) -> Board:
        leaving = {stop.run_uid for stop in stops}
        runs = [
            replace(run, stopping=True) if run.uid in leaving else run
            for run in snapshot.runs
        ]
        found = sites(snapshot.nodes, runs, policy)
        changed: list[int] = []
        return cls(
            models=models,
            policy=policy,
            sites=found,
            search=Search(models, policy),
            holders={(run.model_id, run.replica): run for run in runs},
            by_now=Ranking(found, changed, lambda site: site.now, Site.now_for),
            by_later=Ranking(found, changed, lambda site: site.later, Site.later_for),
            changed=changed,
            positions={site.node.name: at for at, site in enumerate(found)},
        )

    def settle(self, model: Model, replica: int, now: float) -> None:
        """Start it, or let it wait. One whose run is on its way out cannot start yet,
        but has its turn: a restarted model finds its place again, an evicted one its
        rank."""
        history = model.history.get(replica, ())
        too_small = too_small_mib(history)
        need = Need.of(model, self.policy, too_small)
        self.needs[model.id, replica] = need
        holder = self.holders.get((model.id, replica))
        if holder is not None:
            if holder.stopping:
                self.wait(model, need, told=False)
            return
        verdict = assess(history, self.policy.back_off, now)
        if verdict.start and too_small and not self._able(need):
            verdict = no_more_room(history, too_small)
        if not verdict.start:
            self.reasons.setdefault(model.id, _error(verdict))
        elif not self._start(model, replica, need) and not self._start_by_moving(
            model, replica, need
        ):
            self.wait(model, need, told=model.id not in self.reasons)

    def wait(self, model: Model, need: Need, told: bool) -> None:
        coming = self.by_later.first(need, model) or self._evict(model, need)
        site = coming or self._nearest(model, need)
        if told:
            self._explain(model, need, site, coming is not None)
        if coming:
            coming.promise(need)
            self._has_changed(coming)
        elif site:
            guard = model.priority - self.policy.priority_gap + 1
            gpus = _nearest_gpus(self._without_lower(site, model), site.empty, need)
            site.keep(need, gpus, guard if model.preempts else 0)

    def _start(self, model: Model, replica: int, need: Need) -> bool:
        site = self.by_now.first(need, model)
        if site is None:
            return False
        self._put(site, model, replica, need, site.now_for(model).choose(need) or ())
        return True

    def _put(
        self, site: Site, model: Model, replica: int, need: Need, gpus: tuple[str, ...]
    ) -> None:
        self.placements.append(placement(model, replica, site.now, gpus))
        site.take(need, gpus)
        self._has_changed(site)

    def _has_changed(self, site: Site) -> None:
        self.changed.append(self.positions[site.node.name])
        self.without_lower.pop(site.node.name, None)

    def _start_by_moving(self, model: Model, replica: int, need: Need) -> bool:
        """Find other places for what this plan has placed, so that this fits too."""
        if not 0 < len(self.placements) <= MOVABLE:
            return False
        others = [self.models[p.model_id] for p in self.placements]
        involved = [*others, model]
        open_sites = [s for s in self.sites if not any(map(s.keeps_from, involved))]
        names = {site.node.name for site in open_sites}
        if not all(p.node in names for p in self.placements):
            return False
        self._lift_all()
        needs = [*(self.needs[p.model_id, p.replica] for p in self.placements), need]
        spots = pack(needs, [site.now for site in open_sites], PACKING_STEPS)
        if spots is None:
            self._put_back()
            return False
        moved = [
            *((p.model_id, p.replica) for p in self.placements),
            (model.id, replica),
        ]
        for placed in self.placements:
            self._has_changed(self._site(placed.node))
        self.placements.clear()
        for (room, gpus), (owner, nth), of in zip(spots, moved, needs, strict=True):
            self._put(self._site(room.node.name), self.models[owner], nth, of, gpus)
        return True

    def _lift_all(self) -> None:
        for placed in self.placements:
            need = self.needs[placed.model_id, placed.replica]
            self._site(placed.node).give_back(need, [uuid for uuid, _ in placed.gpus])

    def _put_back(self) -> None:
        for placed in self.placements:
            need = self.needs[placed.model_id, placed.replica]
            self._site(placed.node).take(need, [uuid for uuid, _ in placed.gpus])

    def _site(self, name: str) -> Site:
        return self.sites[self.positions[name]]

    def _evict(self, model: Model, need: Need) -> Site | None:
        if not model.preempts or self.no_victims.get(need, -1) >= model.priority:
            return None
        if len(self.evictions) >= self.policy.max_evictions:
            return None
        found = self.search.best(self._able(need), need, model)
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
        self._has_changed(site)

    def _nearest(self, model: Model, need: Need) -> Site | None:
        """Of the machines it could ever run on, in turn, the one nearest to enough.
        Runs below it count as gone: whether they are there must not change the choice,
        or the room would be kept now here, now there."""
        if need not in self.to_keep:
            able = list(self._able(need))
            near = {
                site.node.name: missing_share(self._without_lower(site, model), need)
                for site in able
            }
            able.sort(key=lambda s: (near[s.node.name], s.node.name), reverse=True)
            self.to_keep[need] = deque(able)
        if not self.to_keep[need]:
            return None
        self.to_keep[need].rotate()
        return self.to_keep[need][0]

    def _able(self, need: Need) -> list[Site]:
        """Those it could run on if nothing of ours did."""
        if need not in self.able:
            self.able[need] = [site for site in self.sites if site.empty.fits(need)]
        return self.able[need]

    def _without_lower(self, site: Site, model: Model) -> Room:
        priority, room = self.without_lower.get(site.node.name, (None, site.later))
        if priority != model.priority:
            room = site.later.copy()
            for run in site.runs:
                if self.search.outranks(model, run):
                    room.release(run)
            self.without_lower[site.node.name] = (model.priority, room)
        return room

    def _explain(
        self, model: Model, need: Need, site: Site | None, coming: bool
    ) -> None:
        self.waiting += 1
        helped = self.waiting <= EXPLAINED and not coming
        why = _room_is_made(site) if site and coming else self._why(model, need, site)
        self.reasons[model.id] = Reason(
            status=why.status,
            code=why.code,
            params=why.params,
            position=self.waiting,
            nominated=site.node.name if site else "",
            helps=self._helps(model, need) if helped else (),
        )

    def _helps(self, model: Model, need: Need) -> tuple[Help, ...]:
        others = helps_for(model, need, self._able(need), self.search)
        return others + smaller_context(model, self.sites, self.policy)

    def _why(self, model: Model, need: Need, site: Site | None) -> Reason:
        if not self.sites:
            return Reason(status="waiting", code="no_node")
        if site is not None:
            return shortage(site.now_for(model), need)
        if need not in self.shortages:
            nearest = min(
                self.sites,
                key=lambda site: (missing_share(site.now, need), site.node.name),
            )
            self.shortages[need] = shortage(nearest.now, need)
        return self.shortages[need]


def _room_is_made(site: Site) -> Reason:
    return Reason(status="waiting", code="making_room", params={"node": site.node.name})


def _nearest_gpus(room: Room, empty: Room, need: Need) -> tuple[str, ...]:
    """The emptiest it could ever use: they are soonest enough."""
    usable = [
        (-free, uuid)
        for uuid, free in room.gpus.items()
        if empty.gpus[uuid] >= need.gpu_least_mib
        and (not need.pinned or uuid in need.pinned)
    ]
    return tuple(uuid for _, uuid in sorted(usable)[: need.gpu_count])


def _error(verdict: Verdict) -> Reason:
    return Reason(status="error", code=verdict.code, params=verdict.params)
