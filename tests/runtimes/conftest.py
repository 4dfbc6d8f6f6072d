import uuid

import pytest

from runtimes.drivers.process import ProcessDriver
from tests.runtimes.processes import kill_owned


@pytest.fixture
def driver(tmp_path):
    driver = ProcessDriver(tmp_path / "runs", f"test-{uuid.uuid4().hex}")
    yield driver
    kill_owned(driver)
