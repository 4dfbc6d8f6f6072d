"""Where engines run: the same questions for processes and for containers."""

import uuid
from contextlib import closing

from runtimes.drivers.docker import DockerDriver
from runtimes.drivers.process import ProcessDriver
from tests.runtimes.drivers.daemons import IMAGE
from tests.runtimes.processes import kill_owned


def isolation(runs_dir):
    return {"user": 0, "write": (), "home": runs_dir.parent / "engine-home"}


class Processes:
    def __init__(self, runs_dir):
        self.driver = ProcessDriver(
            runs_dir, f"test-{uuid.uuid4().hex}", isolation=isolation(runs_dir)
        )

    def renewed(self):
        """The driver, as another process of the platform has it."""
        runs_dir = self.driver.runs_dir
        return ProcessDriver(
            runs_dir, self.driver.instance, isolation=isolation(runs_dir)
        )

    def pids(self, engine):
        return self.driver.owned()[engine.uid]

    def program(self, engine):
        return engine.handle.engine_pid

    def close(self):
        kill_owned(self.driver)


class Containers:
    def __init__(self, runs_dir, dockerd, folders):
        self.runs_dir, self.dockerd, self.folders = runs_dir, dockerd, folders
        self.instance = f"test-{uuid.uuid4().hex}"
        self.driver = self.renewed()

    def renewed(self):
        images = {"llama.cpp": IMAGE}
        url = self.dockerd.url
        return DockerDriver(self.runs_dir, self.instance, url, images, self.folders)

    def pids(self, engine):
        with closing(self.dockerd.client()) as client:
            told = client.top(engine.handle.container, ps_args="-eo pid")
        return [int(row[0]) for row in told["Processes"]]

    def program(self, engine):
        return self.dockerd.engine_pid(engine.handle.container)

    def close(self):
        self.dockerd.clear()
