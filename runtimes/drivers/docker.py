"""Engines as containers of this machine's Docker daemon.

The daemon holds all state: the name of a container contains the uid of its run, so that
it exists once, and its labels name the installation. Only runs that may never start are
marked by files of the platform, runs_dir/docker/UID, which need no image and no daemon.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError, ImageNotFound

from runtimes.drivers.base import Bounds, DriverError, Handle, Observation, Pulled
from runtimes.drivers.container_log import ContainerLog
from runtimes.drivers.containers import (
    INSTANCE_LABEL,
    LIVE,
    REMOVED,
    RUN_LABEL,
    Surroundings,
    container_of,
    image_of,
    name_of,
    observation,
    publishes,
    specification,
    was_started,
)
from runtimes.drivers.dockerd import EFFECT_S, Daemon, create, details, fed
from runtimes.drivers.pulling import pull
from runtimes.frameworks.base import Command
from runtimes.frameworks.paths import responding

UID = re.compile("[0-9a-f]{32}")
NOBODY = "65534:65534"
TAIL_LINES = 1000
PORT_IN_USE = re.compile("port is already allocated|address already in use")
BLIND = Observation(alive=True, exit=None, blind=True)


class DockerDriver:
    """images: by framework or engine; never pulled from here. user: "uid:gid" of
    engines; this process's own if empty, but never root. hub_dir: of models that were
    downloaded from a hub."""

    engine_host = "0.0.0.0"  # noqa: S104 -- in there; it is published on loopback only

    def __init__(
        self,
        runs_dir: Path,
        instance: str,
        url: str,
        images: Mapping[str, str],
        folders: Sequence[Path] = (),
        user: str = "",
        hub_dir: Path | None = None,
    ) -> None:
        self.abandoned_dir = runs_dir / "docker"
        self.instance = instance
        self.daemon = Daemon(url)
        self.images = images
        self.folders = folders
        self.user = user or _own_user()
        self.hub_dir = hub_dir
        self.runs: dict[str, str] = {}  # uids by container id; empty: not ours

    @property
    def engine_user(self) -> tuple[int, int] | None:
        user, _, group = self.user.partition(":")
        named = not user.isdigit() or not (group or "0").isdigit()
        return None if named else (int(user), int(group or 0))

    def image(self, framework: str, engine: str = "") -> str:
        name = self._image_name(framework, engine)
        with self.daemon.talk() as client:
            try:
                found = client.inspect_image(name)  # type: ignore[no-untyped-call]
            except ImageNotFound:
                raise DriverError("image_missing", image=name) from None
            except APIError as error:
                raise self.daemon.unavailable(str(error.explanation)) from None
        return f"{name}, {found['Id'][7:19]}, {found['Size'] // 2**20} MiB"

    def pull(self, framework: str, engine: str = "") -> Iterator[Pulled]:
        return pull(self.daemon, self._image_name(framework, engine))

    def start(self, uid: str, command: Command, bounds: Bounds) -> Handle:
        with self.daemon.talk(EFFECT_S) as client:
            if handle := self._handle(client, uid):
                return handle
            self._refuse_abandoned(uid)
            detail = ""
            try:
                self._launch(client, uid, command, bounds)
            except APIError as error:
                detail = str(error.explanation or error)[:400]
            # Another launcher may have been quicker: what the daemon has counts.
            if handle := self._handle(client, uid):
                return handle
        self._refuse_abandoned(uid)
        if PORT_IN_USE.search(detail):
            raise DriverError("port_in_use", port=bounds.port)
        raise DriverError("launch_failed", detail=detail)

    def find(self, uid: str) -> Handle | None:
        with self.daemon.talk() as client:
            return self._handle(client, uid)

    def abandon(self, uid: str) -> bool:
        """The mark is set before the daemon is called: a launcher checks it between
        making a container and starting it."""
        mark = self._mark(uid)
        self.abandoned_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.touch()
        with self.daemon.talk(EFFECT_S) as client:
            self._remove(client, uid)
            return self._handle(client, uid) is None

    def observe(self, handle: Handle) -> Observation:
        try:
            with self.daemon.talk() as client:
                found = details(client, handle.container)
        except (DriverError, APIError):
            return BLIND
        return observation(found["State"]) if found else REMOVED

    def terminate(self, handle: Handle) -> None:
        self._signal(handle.container, "SIGTERM")

    def kill(self, handle: Handle) -> None:
        self._signal(handle.container, "SIGKILL")

    def tail(self, uid: str, max_bytes: int = 65_536) -> str:
        log = b""
        with suppress(DriverError, APIError), self.daemon.talk() as client:
            log = client.logs(name_of(_checked(uid)), tail=TAIL_LINES)
        return log[-max_bytes:].decode(errors="replace")

    def log(self, uid: str, max_bytes: int) -> ContainerLog:
        return ContainerLog(self.daemon, name_of(_checked(uid)), max_bytes)

    def owned(self) -> dict[str, list[int]]:
        """Without pids: the daemon does not list them in one response, and they mean
        nothing where the platform itself is in a container."""
        return {uid: [] for uid in self._listed(status=list(LIVE))}

    def run_of(self, pid: int) -> str:
        try:
            container = container_of(Path(f"/proc/{pid}/cgroup").read_text())
        except OSError:
            return ""
        return self._run_in(container) if container else ""

    def reap(self, uid: str) -> None:
        with suppress(DriverError):
            self._signal(name_of(uid), "SIGKILL")

    def run_uids(self) -> list[str]:
        marks = [p.name for p in self.abandoned_dir.glob("*") if UID.fullmatch(p.name)]
        return sorted({*self._listed(), *marks})

    def cpu_seconds(self, handle: Handle) -> float:
        usage = self._stats(handle).get("cpu_stats", {}).get("cpu_usage", {})
        return float(usage.get("total_usage", 0)) / 1e9

    def memory_mib(self, handle: Handle) -> int | None:
        """Without files that were only read: those the kernel may drop."""
        stats = self._stats(handle).get("memory_stats", {}).get("stats", {})
        # By the names of cgroups 2, then 1
        held = stats.get("anon", stats.get("rss", 0))
        held += stats.get("file_mapped", stats.get("mapped_file", 0))
        return int(held) // 2**20 or None

    def _stats(self, handle: Handle) -> dict[str, Any]:
        try:
            with self.daemon.talk() as client:
                stats: dict[str, Any] = client.stats(
                    handle.container, stream=False, one_shot=True
                )
        except (DriverError, APIError):
            return {}
        return stats

    def listens(self, handle: Handle, port: int | None) -> bool:
        """The daemon holds the port for this container alone."""
        try:
            with self.daemon.talk() as client:
                found = details(client, handle.container)
        except (DriverError, APIError):
            return False
        return found is not None and port is not None and publishes(found, port)

    def discard(self, uid: str) -> None:
        with suppress(DriverError), self.daemon.talk(EFFECT_S) as client:
            self._remove(client, uid, ended=True)
        self._mark(uid).unlink(missing_ok=True)

    def _launch(
        self, client: APIClient, uid: str, command: Command, bounds: Bounds
    ) -> None:
        self._image_name(bounds.framework, bounds.engine)
        # Of a launcher that was cut off; it may hold a part of its text.
        self._remove(client, uid)
        body = specification(uid, command, bounds, self._surroundings())
        try:
            made = create(client, body, name_of(uid))
        except ImageNotFound:
            raise DriverError("image_missing", image=body["Image"]) from None
        if self._mark(uid).exists():
            self._remove(client, uid)
            return
        try:
            with fed(client, made, command.stdin):
                client.start(made)
        except APIError:
            self._remove(client, uid)
            raise

    def _image_name(self, framework: str, engine: str) -> str:
        name = image_of(self.images, framework, engine)
        if name is None:
            raise DriverError("image_missing", image=framework)
        return name

    def _surroundings(self) -> Surroundings:
        hub = self.hub_dir
        return Surroundings(
            instance=self.instance,
            user=self.user,
            images=self.images,
            folders=[str(path) for path in responding(self.folders) if path.is_dir()],
            hub_dir=str(hub) if hub and hub.is_dir() else "",
        )

    def _handle(self, client: APIClient, uid: str) -> Handle | None:
        found = details(client, name_of(_checked(uid)))
        if found is None or not self._is_ours(found) or not was_started(found):
            return None
        return Handle(uid=uid, container=found["Id"])

    def _remove(self, client: APIClient, uid: str, *, ended: bool = False) -> None:
        """A container that never started, or one that has ended; the daemon refuses
        to remove a live one without force."""
        found = details(client, name_of(_checked(uid)))
        if found and self._is_ours(found) and (ended or not was_started(found)):
            with suppress(APIError):
                client.remove_container(found["Id"], v=True)

    def _signal(self, container: str, name: str) -> None:
        """Gone, or ended: nothing to do."""
        with suppress(APIError), self.daemon.talk(EFFECT_S) as client:
            client.kill(container, signal=name)

    def _listed(self, **filters: Any) -> list[str]:
        labels = {"label": f"{INSTANCE_LABEL}={self.instance}", **filters}
        found: list[dict[str, Any]] = []
        with suppress(DriverError, APIError), self.daemon.talk() as client:
            found = client.containers(all=True, filters=labels)
        return [entry["Labels"][RUN_LABEL] for entry in found]

    def _run_in(self, container: str) -> str:
        if container not in self.runs:
            with suppress(DriverError, APIError), self.daemon.talk() as client:
                found = details(client, container)
                ours = found is not None and self._is_ours(found)
                self.runs[container] = (
                    found["Config"]["Labels"][RUN_LABEL] if found and ours else ""
                )
        return self.runs.get(container, "")

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        labels = found["Config"]["Labels"] or {}
        return bool(labels.get(INSTANCE_LABEL) == self.instance)

    def _refuse_abandoned(self, uid: str) -> None:
        if self._mark(uid).exists():
            raise DriverError("abandoned", uid=uid)

    def _mark(self, uid: str) -> Path:
        return self.abandoned_dir / _checked(uid)


def _checked(uid: str) -> str:
    if not UID.fullmatch(uid):
        raise ValueError(f"not a run uid: {uid!r}")
    return uid


def _own_user() -> str:
    return f"{os.geteuid()}:{os.getegid()}" if os.geteuid() else NOBODY
