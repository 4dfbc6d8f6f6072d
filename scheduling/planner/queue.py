"""The queue of waiting models, with reasons and suggestions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scheduling.planner.types import Model, Plan, Reason, Snapshot, Suggestion

WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """position: 1 is next. machine: where room is reserved for it, or empty."""

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
    """Without models in back-off: they are in error, not waiting."""
    models = {model.id: model for model in snapshot.models}
    entries = [
        QueueEntry(
            position=reason.position,
            model=models[model_id],
            display_name=display_names.get(model_id, ""),
            reason=reason,
        )
        for model_id, reason in plan.reasons.items()
        if reason.status == WAITING
    ]
    return sorted(entries, key=lambda entry: entry.position)
