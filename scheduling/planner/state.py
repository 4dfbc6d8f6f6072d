"""The state of a plan in progress: placements, evictions and reasons. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from scheduling.planner.backoff import Verdict, assess, no_more_room, too_small_mib
from scheduling.planner.capacity import Need, Room, placement, shortage
from scheduling.planner.packing import pack
from scheduling.planner.preemption import Eviction, Search
from scheduling.planner.site_index import SiteIndex
from scheduling.planner.sites import Site
from scheduling.planner.suggestions import smaller_context, suggest_others
from scheduling.planner.types import (
    Model,
    Placement,
    Policy,
    Reason,
    Run,
    Snapshot,
    Stop,
    Suggestion,
)

# Suggestions are only computed for the head of the queue.
EXPLAINED = 20
# With more placements than this in one plan, none is moved again for another model.
MOVABLE = 16
PACKING_STEPS = 2000


@dataclass(slots=True)
class PlanState:
    """holders: the run of each replica that has one."""

    models: dict[int, Model]
    policy: Policy
    index: SiteIndex
    search: Search
    holders: dict[tuple[int, int], Run]
    placements: list[Placement] = field(default_factory=list)
    evictions: list[Stop] = field(default_factory=list)
    reasons: dict[int, Reason] = field(default_factory=dict)
    needs: dict[tuple[int, int], Need] = field(default_factory=dict)
    waiting: int = 0
    # By need, the highest priority for which no victims were found
    no_victims: dict[Need, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        models: dict[int, Model],
        stops: Iterable[Stop],
        policy: Policy,
    ) -> PlanState:
        leaving = {stop.run_uid for stop in stops}
        runs = [
            replace(run, stopping=True) if run.uid in leaving else run
            for run in snapshot.runs
        ]
        search = Search(models, policy)
        return cls(
            models=models,
            policy=policy,
            index=SiteIndex.of(snapshot.nodes, runs, policy, search),
            search=search,
            holders={(run.model_id, run.replica): run for run in runs},
        )

    def schedule(self, model: Model, replica: int, now: float) -> None:
        """Place the replica or let it wait. A replica whose run is stopping cannot
        start yet but takes its turn, so that a restarted model gets its place back."""
        history = model.history.get(replica, ())
        too_small = too_small_mib(history)
        need = Need.of(model, self.policy, too_small)
        self.needs[model.id, replica] = need
        holder = self.holders.get((model.id, replica))
        if holder is not None:
            if holder.stopping:
                self._wait(model, need, explain=False)
            return
        verdict = assess(history, self.policy.back_off, now)
        if verdict.start and too_small and not self.index.able(need):
            verdict = no_more_room(history, too_small)
        if not verdict.start:
            self.reasons.setdefault(model.id, _error(verdict))
        elif not self._place(model, replica, need) and not self._place_by_moving(
            model, replica, need
        ):
            self._wait(model, need, explain=model.id not in self.reasons)

    def _wait(self, model: Model, need: Need, explain: bool) -> None:
        nominated = self.index.by_later.first(need, model) or self._evict(model, need)
        site = nominated or self.index.nearest(need, model)
        if explain:
            self._explain(model, need, site, making_room=nominated is not None)
        if nominated:
            nominated.nominate(need)
            self.index.mark_changed(nominated)
        elif site:
            self._reserve(site, model, need)

    def _reserve(self, site: Site, model: Model, need: Need) -> None:
        below = model.priority - self.policy.priority_gap + 1
        room = self.index.without_lower(site, model)
        gpus = _emptiest_gpus(room, site.empty, need)
        site.reserve(need, gpus, below if model.preempts else 0)

    def _place(self, model: Model, replica: int, need: Need) -> bool:
        site = self.index.by_now.first(need, model)
        if site is None:
            return False
        self._put(site, model, replica, need, site.now_for(model).choose(need) or ())
        return True

    def _put(
        self, site: Site, model: Model, replica: int, need: Need, gpus: tuple[str, ...]
    ) -> None:
        self.placements.append(placement(model, replica, site.now, gpus))
        site.take(need, gpus)
        self.index.mark_changed(site)

    def _place_by_moving(self, model: Model, replica: int, need: Need) -> bool:
        """Move earlier placements of this plan so that this replica fits as well."""
        if not 0 < len(self.placements) <= MOVABLE:
            return False
        others = [self.models[p.model_id] for p in self.placements]
        involved = [*others, model]
        sites = [
            s for s in self.index.sites if not any(map(s.is_reserved_from, involved))
        ]
        names = {site.node.name for site in sites}
        if not all(p.node in names for p in self.placements):
            return False
        self._lift_all()
        needs = [*(self.needs[p.model_id, p.replica] for p in self.placements), need]
        spots = pack(needs, [site.now for site in sites], PACKING_STEPS)
        if spots is None:
            self._put_back()
            return False
        replicas = [
            *((p.model_id, p.replica) for p in self.placements),
            (model.id, replica),
        ]
        for placed in self.placements:
            self.index.mark_changed(self.index.get(placed.node))
        self.placements.clear()
        for (room, gpus), (model_id, nth), of in zip(
            spots, replicas, needs, strict=True
        ):
            site = self.index.get(room.node.name)
            self._put(site, self.models[model_id], nth, of, gpus)
        return True

    def _lift_all(self) -> None:
        for placed in self.placements:
            need = self.needs[placed.model_id, placed.replica]
            gpus = [uuid for uuid, _ in placed.gpus]
            self.index.get(placed.node).give_back(need, gpus)

    def _put_back(self) -> None:
        for placed in self.placements:
            need = self.needs[placed.model_id, placed.replica]
            self.index.get(placed.node).take(need, [uuid for uuid, _ in placed.gpus])

    def _evict(self, model: Model, need: Need) -> Site | None:
        if not model.preempts or self.no_victims.get(need, -1) >= model.priority:
            return None
        if len(self.evictions) >= self.policy.max_evictions:
            return None
        found = self.search.best(self.index.able(need), need, model)
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
            params: dict[str, object] = {"by": model.name, "priority": model.priority}
            self.evictions.append(
                Stop(run_uid=run.uid, code="preempted", params=params)
            )
        self.index.mark_changed(site)

    def _explain(
        self, model: Model, need: Need, site: Site | None, making_room: bool
    ) -> None:
        self.waiting += 1
        suggest = self.waiting <= EXPLAINED and not making_room
        if site and making_room:
            why = _making_room(site)
        else:
            why = self._shortage(model, need, site)
        self.reasons[model.id] = Reason(
            status=why.status,
            code=why.code,
            params=why.params,
            position=self.waiting,
            nominated=site.node.name if site else "",
            suggestions=self._suggestions(model, need) if suggest else (),
        )

    def _suggestions(self, model: Model, need: Need) -> tuple[Suggestion, ...]:
        others = suggest_others(model, need, self.index.able(need), self.search)
        return others + smaller_context(model, self.index.sites, self.policy)

    def _shortage(self, model: Model, need: Need, site: Site | None) -> Reason:
        if not self.index.sites:
            return Reason(status="waiting", code="no_node")
        if site is not None:
            return shortage(site.now_for(model), need)
        return self.index.shortage(need)


def _making_room(site: Site) -> Reason:
    return Reason(status="waiting", code="making_room", params={"node": site.node.name})


def _emptiest_gpus(room: Room, empty: Room, need: Need) -> tuple[str, ...]:
    """Of the GPUs it could ever use, those that will have enough soonest."""
    usable = [
        (-free, uuid)
        for uuid, free in room.gpus.items()
        if empty.gpus[uuid] >= need.gpu_least_mib
        and (not need.pinned or uuid in need.pinned)
    ]
    return tuple(uuid for _, uuid in sorted(usable)[: need.gpu_count])


def _error(verdict: Verdict) -> Reason:
    return Reason(status="error", code=verdict.code, params=verdict.params)
