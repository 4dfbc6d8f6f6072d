import uuid

import pytest

from runtimes.drivers.docker import DockerDriver
from tests.runtimes.drivers.daemons import IMAGE


@pytest.fixture
def containers(dockerd, tmp_path):
    """The driver."""
    yield DockerDriver(
        tmp_path / "runs",
        f"test-{uuid.uuid4().hex}",
        url=dockerd.url,
        images={"llama.cpp": IMAGE},
    )
    dockerd.recover()
    dockerd.clear()
