"""Tasks of the scheduler."""

from django.conf import settings

from common import broker, clock
from common.failpoints import reach
from runtimes.supervision import stop
from scheduling import decisions
from scheduling.apply import apply_plan
from scheduling.failures import Failures, summary
from scheduling.planner.plan import plan
from scheduling.snapshot import load, policy

FAILURES = Failures(settings.BACK_OFF_SECONDS)
TICK = "tick"


def tick() -> None:
    """Compare desired and observed state, and take the next step for every run.

    Two ticks at once are wasteful but never wrong, and so is one that is killed. Raises
    what failed, for the log; not again while it fails in the same way.
    """
    try:
        _tick()
    except Exception as error:
        if FAILURES.record(TICK, summary(error), clock.uptime()):
            raise
    else:
        FAILURES.forget(TICK)


def _tick() -> None:
    broker.clear_pending_tick()
    reach("tick.started")
    stop.advance_all()
    snapshot = load()
    decided = plan(snapshot, policy(), clock.uptime())
    reach("tick.planned")
    apply_plan(decided, snapshot)


def cleanup() -> None:
    decisions.delete_old()
