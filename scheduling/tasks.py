"""What the task queue calls."""

from common import broker, clock
from common.failpoints import reach
from runtimes.supervision import stop
from scheduling.apply import carry_out
from scheduling.planner.plan import plan
from scheduling.snapshot import load, policy


def tick() -> None:
    """Compare what is wanted with what is, and take the next step of everything.

    Wasteful but never wrong when two run at once, or when one is cut off anywhere.
    """
    broker.clear_pending_tick()
    reach("tick.begun")
    stop.advance_all()
    snapshot = load()
    decided = plan(snapshot, policy(), clock.uptime())
    reach("tick.planned")
    carry_out(decided, snapshot)
