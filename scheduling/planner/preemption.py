"""Which runs to evict for a waiting model. Pure.

Candidates are runs of preemptible models whose priority is lower by at least the
policy's gap. The cheapest set wins: fewest runs, then lowest priority, least traffic,
newest. Every victim is needed: without it, the waiting model would not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from operator import itemgetter

from scheduling.planner.capacity import Lack, Need
from scheduling.planner.sites import Site
from scheduling.planner.types import Model, Policy, Run

# Set size: most candidates on a machine for which all such sets are tried. Single runs
# are always tried; anything larger is found by pruning the set of all candidates.
EXHAUSTIVE = {2: 40, 3: 16}

Enough = tuple[Site, list[Run], Lack]
Order = tuple[int, float, int]
Candidate = tuple[Order, Run]


@dataclass(frozen=True, slots=True)
class Eviction:
    site: Site
    victims: tuple[Run, ...]
    cost: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Search:
    models: Mapping[int, Model]
    policy: Policy
    known: dict[tuple[str, int, int], list[tuple[Order, Run]]] = field(
        default_factory=dict
    )

    def best(self, sites: Sequence[Site], need: Need, model: Model) -> Eviction | None:
        """The smallest sets of all machines come first. sites: those where the model
        could run if nothing else did."""
        return self._best_single(sites, need, model) or self._best_set(
            [enough for site in sites if (enough := self._enough(site, need, model))]
        )

    def _best_single(
        self, sites: Sequence[Site], need: Need, model: Model
    ) -> Eviction | None:
        """Skips machines whose cheapest run costs more than the best one so far."""
        best: tuple[Order, str] | None = None
        found: tuple[Site, Run] | None = None
        for site in sites:
            lack: Lack | None = None
            for order, run in self._candidates(site, model):
                if best is not None and (order, site.node.name) >= best:
                    break
                lack = lack or site.lack(need, model)
                if lack.met_by((run,)):
                    best, found = (order, site.node.name), (site, run)
                    break
        if found is None:
            return None
        site, run = found
        return Eviction(site, (run,), self._cost((run,), site))

    def _best_set(self, able: Sequence[Enough]) -> Eviction | None:
        for size, limit in EXHAUSTIVE.items():
            if found := self._cheapest(
                (site, victims)
                for site, candidates, lack in able
                if len(candidates) <= limit
                for victims in combinations(candidates, size)
                if lack.met_by(victims)
            ):
                return found
        return self._cheapest(
            (site, _pruned(candidates, lack)) for site, candidates, lack in able
        )

    def _enough(self, site: Site, need: Need, model: Model) -> Enough | None:
        """The candidates, cheapest first, if evicting all of them is enough."""
        candidates = [run for _, run in self._candidates(site, model)]
        if not candidates:
            return None
        lack = site.lack(need, model)
        return (site, candidates, lack) if lack.met_by(candidates) else None

    def _candidates(self, site: Site, model: Model) -> list[Candidate]:
        """Cached: the same for all models of one priority until a run is evicted."""
        key = (site.node.name, model.priority, len(site.runs))
        if key not in self.known:
            here = [
                (self._order(run), run)
                for run in site.runs
                if self.can_evict(run, model)
            ]
            self.known[key] = sorted(here, key=itemgetter(0))
        return self.known[key]

    def _cheapest(
        self, found: Iterable[tuple[Site, tuple[Run, ...]]]
    ) -> Eviction | None:
        return min(
            (
                Eviction(site, victims, self._cost(victims, site))
                for site, victims in found
            ),
            key=lambda eviction: eviction.cost,
            default=None,
        )

    def can_evict(self, run: Run, model: Model) -> bool:
        return (
            self.outranks(model, run)
            and run.running_s >= self.policy.min_running_s
            and not self._cooling(self.models[run.model_id])
        )

    def outranks(self, model: Model, run: Run) -> bool:
        victim = self.models.get(run.model_id)
        return (
            victim is not None
            and victim.preemptible
            and victim.priority <= model.priority - self.policy.priority_gap
        )

    def _cooling(self, victim: Model) -> bool:
        since = victim.evicted_s
        return since is not None and since < self.policy.cool_down_s

    def _order(self, run: Run) -> Order:
        return (self.models[run.model_id].priority, run.traffic, -run.age)

    def _cost(self, victims: Sequence[Run], site: Site) -> tuple[object, ...]:
        priorities = [self.models[run.model_id].priority for run in victims]
        return (
            len(victims),
            sorted(priorities, reverse=True),
            sum(run.traffic for run in victims),
            sorted(-run.age for run in victims),
            site.node.name,
        )


def _pruned(candidates: Sequence[Run], lack: Lack) -> tuple[Run, ...]:
    """Evicting all candidates is enough: spare as many as possible, dearest first."""
    victims = list(candidates)
    for run in reversed(candidates):
        without = [kept for kept in victims if kept is not run]
        if lack.met_by(without):
            victims = without
    return tuple(victims)
