"""Tasks of the scheduler."""

from common import broker, clock
from common.failpoints import reach
from runtimes.supervision import stop
from scheduling.apply import apply_plan
from scheduling.planner.plan import plan
from scheduling.snapshot import load, policy


def tick() -> None:
    """Compare desired and observed state, and take the next step for every run.

    Two ticks at once are wasteful but never wrong, and so is one that is killed.
    """
    broker.clear_pending_tick()
    reach("tick.started")
    stop.advance_all()
    snapshot = load()
    decided = plan(snapshot, policy(), clock.uptime())
    reach("tick.planned")
    apply_plan(decided, snapshot)
