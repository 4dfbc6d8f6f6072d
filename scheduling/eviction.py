"""Whom to evict for one that waits. Pure.

Only runs of strictly lower priority (by the policy's gap) whose model may be evicted;
fewest first, then lowest priority, least traffic, newest. Nobody is evicted in vain:
without any one of the victims the new one would not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from scheduling.capacity import Need, Site
from scheduling.picture import Model, Policy, Run

# Sets of this size are tried exhaustively up to so many candidates on a machine;
# beyond, one by one and then back.
EXHAUSTIVE = {1: 10_000, 2: 40, 3: 16}


@dataclass(frozen=True, slots=True)
class Eviction:
    site: Site
    victims: tuple[Run, ...]
    cost: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Search:
    models: Mapping[int, Model]
    policy: Policy

    def best(self, sites: Sequence[Site], need: Need, model: Model) -> Eviction | None:
        """Smaller sets on all machines before larger ones on any."""
        able = [
            (site, candidates)
            for site in sites
            if (candidates := self._enough(site, need, model))
        ]
        for size, limit in EXHAUSTIVE.items():
            if found := self._cheapest(
                (site, victims)
                for site, candidates in able
                if len(candidates) <= limit
                for victims in combinations(candidates, size)
                if site.fits_without(victims, need, model)
            ):
                return found
        return self._cheapest(
            (site, _pruned(site, candidates, need, model)) for site, candidates in able
        )

    def _enough(self, site: Site, need: Need, model: Model) -> list[Run] | None:
        """Those who may be evicted here, cheapest first, if all of them would do."""
        if not site.empty.fits(need):
            return None
        candidates = [run for run in site.runs if self.may_evict(run, model)]
        if not candidates or not site.fits_without(candidates, need, model):
            return None
        return sorted(candidates, key=self._order)

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

    def may_evict(self, run: Run, model: Model) -> bool:
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

    def _order(self, run: Run) -> tuple[int, float, int]:
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


def _pruned(
    site: Site, candidates: Sequence[Run], need: Need, model: Model
) -> tuple[Run, ...]:
    """All of them would do: give back as many as possible, dearest first."""
    victims = list(candidates)
    for run in reversed(candidates):
        without = [kept for kept in victims if kept is not run]
        if site.fits_without(without, need, model):
            victims = without
    return tuple(victims)
