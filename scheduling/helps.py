"""What people could do so that a waiting model starts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from scheduling.capacity import Need, Site
from scheduling.eviction import Search
from scheduling.picture import Help, Model, Run


def helps_for(
    model: Model, need: Need, sites: Sequence[Site], search: Search
) -> tuple[Help, ...]:
    """Stop one other model; or outrank one. The least important one that is enough.
    sites: those on which it could run if nothing else did."""
    enough = [
        run
        for site in sites
        for lack in (site.lack(need, model),)
        for run in site.runs
        if run.model_id != model.id and lack.met_by((run,))
    ]
    if not enough:
        return ()
    run = min(enough, key=lambda run: _importance(run, search))
    other = search.models.get(run.model_id)
    if other is None:
        return ()
    named: dict[str, object] = {
        "model": other.name, "id": other.id, "priority": other.priority,
    }  # fmt: skip
    helps = [Help(action="stop", params=named)]
    outranks = other.priority + search.policy.priority_gap
    if model.preempts and other.preemptible and model.priority < outranks <= 10:
        helps.append(Help(action="priority", params={**named, "to": outranks}))
    return tuple(helps)


def _importance(run: Run, search: Search) -> tuple[int, float, int]:
    other = search.models.get(run.model_id)
    return (other.priority if other else 0, run.traffic, -run.age)
