"""Who waits, in which order, why, and what would help. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scheduling.planner.types import Help, Model, Plan, Reason, Snapshot

WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One place in the queue; position: 1 is next. machine: the one whose room is kept
    for it, or empty."""

    position: int
    model: Model
    display_name: str
    reason: Reason

    @property
    def machine(self) -> str:
        return self.reason.nominated

    @property
    def helps(self) -> tuple[Help, ...]:
        return self.reason.helps


def queue_of(
    snapshot: Snapshot, plan: Plan, display_names: Mapping[int, str]
) -> list[Waiting]:
    """Models that wait for room; those that wait out a back-off are in error."""
    models = {model.id: model for model in snapshot.models}
    found = [
        Waiting(
            position=reason.position,
            model=models[model_id],
            display_name=display_names.get(model_id, ""),
            reason=reason,
        )
        for model_id, reason in plan.reasons.items()
        if reason.status == WAITING
    ]
    return sorted(found, key=lambda waiting: waiting.position)
