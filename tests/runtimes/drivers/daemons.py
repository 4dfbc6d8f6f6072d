"""A Docker daemon of the tests' own, beside the machine's, if there is one."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
from docker import APIClient

from runtimes.drivers.base import DriverError
from runtimes.drivers.dockerd import Daemon
from tests.environment import PRIVATE_NETWORK
from tests.runtimes.drivers.images import archive
from tests.runtimes.processes import until

IMAGE = "llmplatform-test:1"
# Engines outlive the daemon, and so do their ports: nothing is relayed by its children.
OPTIONS = ["--live-restore", "--userland-proxy=false", "--log-level=error"]
# Not the network of the machine's own daemon
BRIDGE = ["--bip=172.31.251.1/24"]


def why_not() -> str:
    """Why no daemon can be started here; empty: it can."""
    if os.geteuid() != 0:
        return "dockerd needs root"
    if shutil.which("dockerd") is None:
        return "dockerd is not installed"
    if not PRIVATE_NETWORK and Path("/var/run/docker.sock").exists():
        return "a Docker daemon runs here, whose network is left alone"
    return ""


@contextmanager
def running() -> "Iterator[Dockerd]":
    """A daemon with the image of engines."""
    with tempfile.TemporaryDirectory(prefix="dockerd-") as folder:
        daemon = Dockerd(Path(folder))
        daemon.start()
        try:
            daemon.load_image()
            yield daemon
            daemon.clear()
        finally:
            daemon.leave()


class Dockerd:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/docker.sock"
        self.process = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *("dockerd", "--host", self.url, *OPTIONS, *BRIDGE),
                    *("--data-root", self.folder / "data"),
                    *("--exec-root", self.folder / "exec"),
                    *("--pidfile", self.folder / "pid"),
                ],
                stdout=log,
                stderr=log,
            )
        until(self.answers, 30)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def leave(self) -> None:
        """Docker keeps its folder mounted for containers that outlive it."""
        self.stop()
        subprocess.run(["umount", self.folder / "data"], check=False)

    def recover(self) -> None:
        if self.process.poll() is None:
            self.thaw()
        else:
            self.start()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            with Daemon(self.url).talk():
                return True
        except DriverError:
            return False

    def client(self) -> APIClient:
        return APIClient(self.url, version="auto", timeout=120)

    def engine_pid(self, container: str) -> int:
        """The only child of the container's init."""
        with closing(self.client()) as client:
            init = client.inspect_container(container)["State"]["Pid"]
        [engine] = psutil.Process(init).children()
        return engine.pid

    def load_image(self) -> None:
        client = self.client()
        client.import_image_from_data(
            archive(),
            repository=IMAGE.partition(":")[0],
            tag=IMAGE.partition(":")[2],
            changes=["ENV PYTHONPATH=/opt/engine"],
        )
        client.close()

    def clear(self) -> None:
        client = self.client()
        for container in client.containers(all=True):
            client.remove_container(container["Id"], force=True)
        client.close()
