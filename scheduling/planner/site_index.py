"""All sites of a plan, with lookups that are cached until a site changes. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from scheduling.planner.capacity import Need, Room, missing_share, shortage
from scheduling.planner.preemption import Search
from scheduling.planner.ranking import Ranking
from scheduling.planner.sites import Site, sites
from scheduling.planner.types import Model, Node, Policy, Reason, Run


@dataclass(slots=True)
class SiteIndex:
    """changed: positions of sites, in order of their changes. Call mark_changed() after
    changing a site."""

    sites: list[Site]
    search: Search
    positions: dict[str, int]
    changed: list[int]
    by_now: Ranking
    by_later: Ranking
    _able: dict[Need, list[Site]] = field(default_factory=dict)
    _candidates: dict[Need, deque[Site]] = field(default_factory=dict)
    _shortages: dict[Need, Reason] = field(default_factory=dict)
    # By machine: the priority it was computed for, and the room without lower runs
    _without_lower: dict[str, tuple[int, Room]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, nodes: Iterable[Node], runs: Iterable[Run], policy: Policy, search: Search
    ) -> SiteIndex:
        found = sites(nodes, runs, policy)
        changed: list[int] = []
        return cls(
            sites=found,
            search=search,
            positions={site.node.name: at for at, site in enumerate(found)},
            changed=changed,
            by_now=Ranking(found, changed, lambda site: site.now, Site.now_for),
            by_later=Ranking(found, changed, lambda site: site.later, Site.later_for),
        )

    def get(self, name: str) -> Site:
        return self.sites[self.positions[name]]

    def mark_changed(self, site: Site) -> None:
        self.changed.append(self.positions[site.node.name])
        self._without_lower.pop(site.node.name, None)

    def able(self, need: Need) -> list[Site]:
        """Sites where it would fit without any of our runs."""
        if need not in self._able:
            self._able[need] = [site for site in self.sites if site.empty.fits(need)]
        return self._able[need]

    def nearest(self, need: Need, model: Model) -> Site | None:
        """Takes turns among the able sites, starting with the one that lacks least.
        Runs that the model outranks count as gone: the choice must not depend on them,
        or the next plan would reserve room on another site."""
        if need not in self._candidates:
            able = list(self.able(need))
            lacking = {
                site.node.name: missing_share(self.without_lower(site, model), need)
                for site in able
            }
            able.sort(key=lambda s: (lacking[s.node.name], s.node.name), reverse=True)
            self._candidates[need] = deque(able)
        candidates = self._candidates[need]
        candidates.rotate()
        return candidates[0] if candidates else None

    def without_lower(self, site: Site, model: Model) -> Room:
        """The later room, plus that of all runs which the model outranks."""
        priority, room = self._without_lower.get(site.node.name, (None, site.later))
        if priority != model.priority:
            room = site.later.copy()
            for run in site.runs:
                if self.search.outranks(model, run):
                    room.release(run)
            self._without_lower[site.node.name] = (model.priority, room)
        return room

    def shortage(self, need: Need) -> Reason:
        """What the site that lacks least is short of; computed once per need and plan.
        Requires at least one site."""
        if need not in self._shortages:
            nearest = min(
                self.sites,
                key=lambda site: (missing_share(site.now, need), site.node.name),
            )
            self._shortages[need] = shortage(nearest.now, need)
        return self._shortages[need]
