"""The queue: models that wait, in order, with reasons and suggestions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scheduling.planner.types import Model, Plan, Reason, Snapshot, Suggestion

WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """position: 1 is next. machine: the one with room reserved for it, or empty."""

    position: int
    model: Model
    display_name: str
    reason: Reason

    @property
    def machine(self) -> str:
        return self.reason.nominated

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        return self.reason.suggestions


def queue(
    snapshot: Snapshot, plan: Plan, display_names: Mapping[int, str]
) -> list[QueueEntry]:
    """Models that wait for room; those that wait out a back-off are in error."""
    models = {model.id: model for model in snapshot.models}
    found = [
        QueueEntry(
            position=reason.position,
            model=models[model_id],
            display_name=display_names.get(model_id, ""),
            reason=reason,
        )
        for model_id, reason in plan.reasons.items()
        if reason.status == WAITING
    ]
    return sorted(found, key=lambda waiting: waiting.position)
