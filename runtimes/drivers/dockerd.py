"""Talking to the Docker daemon: shortly, and with one kind of error when it is away."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from docker import APIClient
from docker.errors import APIError, DockerException, NotFound

from runtimes.drivers.base import DriverError

QUESTION_S = 2
# Setting up GPUs and network of a container may take a second or two.
EFFECT_S = 10
# A daemon that hangs would cost its time-out for each question of each run.
REST_S = 5


class Daemon:
    """url: unix:///var/run/docker.sock, or tcp://127.0.0.1:PORT."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.version: str | None = None
        self.asked_again_at = 0.0

    @contextmanager
    def talk(self, seconds: int = QUESTION_S) -> Iterator[APIClient]:
        """A client of its own each time: connections survive neither forks nor the
        daemon's restarts. APIError, the daemon's refusal, is left to the caller."""
        if time.monotonic() < self.asked_again_at:
            raise self.unavailable("it did not answer in time")
        try:
            with closing(self._client(seconds)) as client:
                yield client
        except APIError:
            self.version = None  # it may have been another one's, before an upgrade
            raise
        except (DockerException, requests.RequestException, OSError) as error:
            self.version = None
            if "timed out" in str(error):
                self.asked_again_at = time.monotonic() + REST_S
            raise self.unavailable(_innermost(error)) from error

    def _client(self, seconds: int) -> APIClient:
        self._knock(seconds)
        client = APIClient(self.url, version=self.version or "auto", timeout=seconds)
        self.version = client.api_version
        return client

    def _knock(self, seconds: int) -> None:
        """docker leaves a socket open for each connection that fails."""
        scheme, _, path = self.url.partition("://")
        if scheme == "unix":
            with socket.socket(socket.AF_UNIX) as knocking:
                knocking.settimeout(seconds)
                knocking.connect(path)

    def unavailable(self, detail: str) -> DriverError:
        return DriverError("docker_unavailable", socket=self.url, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """runtimes: names; live_restore: containers outlive the daemon's restarts."""

    version: str
    runtimes: frozenset[str]
    live_restore: bool


def about(daemon: Daemon) -> About:
    """Raises DriverError docker_unavailable."""
    try:
        with daemon.talk() as client:
            info = client.info()
    except APIError as error:
        raise daemon.unavailable(str(error.explanation)) from None
    return About(
        version=info["ServerVersion"],
        runtimes=frozenset(info.get("Runtimes") or ()),
        live_restore=info["LiveRestoreEnabled"],
    )


def create(client: APIClient, body: dict[str, Any], name: str) -> str:
    """Its id."""
    made = client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
    return str(made["Id"])


def details(client: APIClient, container: str) -> dict[str, Any] | None:
    """None: there is no such container."""
    try:
        found: dict[str, Any] = client.inspect_container(container)
    except NotFound:
        return None
    return found


@contextmanager
def fed(client: APIClient, container: str, text: str) -> Iterator[None]:
    """For the start of a container. Up to some 200 kB the daemon has the text before:
    who is cut off then leaves an engine that knows all, or none. What is more follows
    once the engine reads; cut off then, it sees the end too early, and ends."""
    data = text.encode()
    attached = client.attach_socket(container, params={"stdin": 1, "stream": 1})
    # The file that docker returns is for reading, and leaves the socket open.
    with closing(attached), attached._sock as pipe:
        pipe.settimeout(EFFECT_S)  # without any, send() would wait for all to be taken
        sent = pipe.send(data) if data else 0
        yield
        pipe.sendall(data[sent:])
        pipe.shutdown(socket.SHUT_WR)


def _innermost(error: BaseException) -> str:
    """The system's own message, such as "No such file or directory"."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(getattr(error, "strerror", None) or error)[:200]
