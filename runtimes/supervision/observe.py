"""Checks whether an engine still lives, and ends its run if not."""

from __future__ import annotations

from common import clock
from common.messages import find
from models_app.models import Run
from models_app.runs import end
from runtimes.drivers.base import Handle, Observation
from runtimes.frameworks.endings import cause_line
from runtimes.logs.sanitize import clean
from runtimes.registry import driver, framework

# The line with the cause may be followed by long traces of other processes.
LOG_BYTES = 65_536


def check(run: Run) -> bool:
    """True while the engine lives, or may still be started."""
    return conclude(run, observe(run))


def observe(run: Run) -> Observation | None:
    """None: the run has no engine, not yet or no longer."""
    if run.boot_id != clock.boot_id() or run.handle is None:
        return None
    return driver(run.driver).observe(handle_of(run))


def conclude(run: Run, seen: Observation | None) -> bool:
    if run.boot_id != clock.boot_id():
        end(run, "node_rebooted")
        return False
    if seen is None or seen.alive:
        return True
    _end(run, seen)
    return False


def _end(run: Run, seen: Observation) -> None:
    log_tail = clean(driver(run.driver).tail(run.uid, LOG_BYTES), [run.engine_key])
    left = seen.exit
    guess = framework(run.framework).end_reason(left, log_tail) if left else "crashed"
    code = seen.reason or guess
    end(
        run,
        code,
        {**_run_params(run, code), **_log_params(code, log_tail)},
        exit_code=left.code if left else None,
        exit_signal=left.signal if left else None,
        log_tail=log_tail,
    )


def _run_params(run: Run, code: str) -> dict[str, object]:
    """Parameters of a code's message that its run knows."""
    if code == "memory_exceeded":
        return {"mib": run.memory_mib}
    names = {"model_file_missing": "path", "hub_offline": "model"}
    if code not in names:
        return {}
    return {names[code]: run.config.get(framework(run.framework).model_key, "")}


def _log_params(code: str, log_tail: str) -> dict[str, object]:
    """The line of the log with the cause, where the code alone says little."""
    line = cause_line(log_tail) if find(code).quotes_log else ""
    return {"said": line} if line else {}


def handle_of(run: Run) -> Handle:
    assert run.handle is not None  # noqa: S101 -- called for started runs only
    return Handle.from_json(run.handle)
