import tempfile
import uuid
from pathlib import Path

import pytest

from runtimes.drivers.docker import DockerDriver
from tests.runtimes.drivers.daemons import IMAGE, Dockerd, why_not

WHY_NOT = why_not()


def pytest_terminal_summary(terminalreporter):
    if WHY_NOT:
        terminalreporter.write_line(f"The Docker driver was not tested: {WHY_NOT}.")


@pytest.fixture(scope="session", params=[] if WHY_NOT else ["dockerd"])
def dockerd():
    # Paths of sockets have 108 characters at most.
    with tempfile.TemporaryDirectory(prefix="dockerd-", dir="/tmp") as folder:
        daemon = Dockerd(Path(folder))
        daemon.start()
        try:
            daemon.load_image()
            yield daemon
            daemon.clear()
        finally:
            daemon.leave()


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
