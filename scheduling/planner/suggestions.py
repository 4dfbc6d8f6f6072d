"""Suggestions: what people can do to let a waiting model start. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scheduling.planner.backoff import too_small_mib
from scheduling.planner.capacity import Need
from scheduling.planner.preemption import Search
from scheduling.planner.sites import Site
from scheduling.planner.types import Model, Policy, Run, Suggestion


def suggest_others(
    model: Model, need: Need, sites: Sequence[Site], search: Search
) -> tuple[Suggestion, ...]:
    """Stop or outrank the least important model whose room is enough. sites: those
    where the model could run if nothing else did."""
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
    suggestions = [Suggestion(action="stop", params=named)]
    outranks = other.priority + search.policy.priority_gap
    if model.preempts and other.preemptible and model.priority < outranks <= 10:
        suggestions.append(
            Suggestion(action="priority", params={**named, "to": outranks})
        )
    return tuple(suggestions)


def smaller_context(
    model: Model, sites: Sequence[Site], policy: Policy
) -> tuple[Suggestion, ...]:
    """The largest smaller context with which the model would fit somewhere now."""
    # The context applies to all replicas, so the history of each of them counts.
    too_small = max(map(too_small_mib, model.history.values()), default=0)
    for n_ctx, gpu_mib, mib in model.contexts[1:]:
        smaller = replace(model, gpu_memory_mib=gpu_mib, memory_mib=mib)
        need = Need.of(smaller, policy, too_small)
        if any(site.now_for(model).fits(need) for site in sites):
            steps: dict[str, object] = {"from": model.contexts[0].n_ctx, "to": n_ctx}
            sizes = {"gpu_memory_mib": gpu_mib, "memory_mib": mib}
            return (Suggestion(action="n_ctx", params=steps | sizes),)
    return ()


def _importance(run: Run, search: Search) -> tuple[int, float, int]:
    other = search.models.get(run.model_id)
    return (other.priority if other else 0, run.traffic, -run.age)
