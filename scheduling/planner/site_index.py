"""Every site of a plan, with answers that are reused until a site changes. Pure."""

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
    """changed: positions of sites, in order of their changes; whoever changes a site
    reports it with mark_changed()."""

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
        """Sites where it would fit if none of our runs were there."""
        if need not in self._able:
            self._able[need] = [site for site in self.sites if site.empty.fits(need)]
        return self._able[need]

    def nearest(self, need: Need, model: Model) -> Site | None:
        """Of the able sites, in turn, the one that lacks least. Runs below the model
        count as gone: whether they are there must not change the choice, or room would
        be reserved on one site now and on another one in the next plan."""
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
        """Later, with every run gone that the model outranks."""
        priority, room = self._without_lower.get(site.node.name, (None, site.later))
        if priority != model.priority:
            room = site.later.copy()
            for run in site.runs:
                if self.search.outranks(model, run):
                    room.release(run)
            self._without_lower[site.node.name] = (model.priority, room)
        return room

    def shortage(self, need: Need) -> Reason:
        """What the site that lacks least now is short of, when this was first needed in
        the plan. Requires at least one site."""
        if need not in self._shortages:
            nearest = min(
                self.sites,
                key=lambda site: (missing_share(site.now, need), site.node.name),
            )
            self._shortages[need] = shortage(nearest.now, need)
        return self._shortages[need]
