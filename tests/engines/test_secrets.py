"""An engine's key is known to the engine alone, not to who may list processes."""

from pathlib import Path

import pytest

from tests.engines.builds import here
from tests.engines.client import KEY, Engine

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.mark.parametrize("build", here(), ids=lambda build: build.name)
def test_key_is_in_no_arguments_and_no_environment(driver, model, build):
    config = build.config(build.served(model))
    engine = Engine(driver, config, rules=build.rules, program=build.program)
    engine.wait_until_ready()
    pids = driver.owned()[engine.uid]
    shown = {pid: shown_of(pid) for pid in pids}
    assert engine.request("GET", "/v1/models")[0] == 200
    driver.kill(engine.handle)
    assert engine.handle.engine_pid in shown
    assert all(b"LLMPLATFORM_RUN_UID" in text for text in shown.values())
    assert [pid for pid, text in shown.items() if KEY.encode() in text] == []
    assert KEY not in engine.log()


def shown_of(pid: int) -> bytes:
    """What the system shows of a process to its user, and arguments to everybody."""
    process = Path(f"/proc/{pid}")
    return (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
