"""The status people see, derived from what is wanted and the runs there are. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from models_app.enums import Desired, RunState, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Why a wanted model has no run: `waiting` for room, or `error`; or why its status
    is not known for certain."""

    status: Status
    code: str
    params: dict[str, object] = field(default_factory=dict)


def derive(
    desired: str,
    generation: int,
    live: Iterable[tuple[str, int]],
    blocked: Blocked | None,
) -> Status:
    """live: (state, generation) of each run that has not ended."""
    runs = list(live)
    if desired == Desired.STOPPED:
        return Status.STOPPING if runs else Status.STOPPED
    current = {state for state, of in runs if of == generation}
    if RunState.READY in current:
        return Status.RUNNING
    if current & RunState.COMING:
        return Status.STARTING
    if runs:
        return Status.STOPPING
    return blocked.status if blocked else Status.STARTING
