"""How an engine is run: what a driver promises, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from runtimes.frameworks.base import Command, Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """Who runs a run. A pid alone proves nothing: it is used again after the process
    and after every boot. pid, started: the shim and its start in clock ticks.
    container: the id of a container, which is used once; the rest is then unset."""

    uid: str
    pid: int = 0
    started: int = 0
    boot_id: str = ""
    engine_pid: int | None = None
    container: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Handle:
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a run was given, 0 for no limit. A process is held to its GPUs only, and
    that by its engine's settings; a container to all of it. framework and engine, the
    installation it would have without an image, choose the image."""

    framework: str = ""
    engine: str = ""
    port: int = 0
    cpu_cores: int = 0
    memory_mib: int = 0
    gpu_uuids: tuple[str, ...] = ()


NO_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """alive: the engine or any process it left behind, as far as is known. exit: set
    when not alive. reason: an end code, where the driver knows better than the log.
    blind: nothing can be seen now; what was alive is taken to be so still."""

    alive: bool
    exit: Exit | None
    reason: str = ""
    blind: bool = False

    @property
    def vanished(self) -> bool:
        """Gone without a trace of how: it may be the watcher that does not see well."""
        return self.exit == Exit(code=None, signal=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Of a log. skipped: what came right before it was left out, or lost."""

    data: bytes
    skipped: bool = False


class LogReader(Protocol):
    """Of one caller; never in two threads at once. Raises nothing but OSError."""

    def read(self, max_bytes: int) -> Chunk:
        """What comes next, without waiting for it; without data: nothing, for now."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """So far. bytes: of the layers whose size is known by now, without those that were
    here before."""

    layers: int
    layers_done: int
    bytes: int
    bytes_done: int


class DriverError(Exception):
    """abandoned: this uid may never start. launch_failed: nothing was started, and
    params["detail"] says why. Other codes have words of their own in messages."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(": ".join([code, *map(str, params.values())]))
        self.code = code
        self.params = params


class Driver(Protocol):
    """Every step is short and may be repeated. A uid is 32 hex digits, used once.
    Questions never raise DriverError; image, start, find, abandon, terminate and kill
    may, and pull, which takes as long as it takes."""

    @property
    def engine_host(self) -> str:
        """Where engines have to listen, to be reached at 127.0.0.1 of this machine."""

    @property
    def engine_user(self) -> tuple[int, int] | None:
        """uid and gid of engines; None: this process's own."""

    @property
    def images(self) -> Mapping[str, str]:
        """Names by framework, and by engine where its own is another; empty: engines
        are installed here."""

    def image(self, framework: str, engine: str = "") -> str:
        """What its engines are made of, in words; empty: of what is installed here.
        Raises DriverError image_missing, docker_unavailable."""

    def pull(self, framework: str, engine: str = "") -> Iterator[Pulled]:
        """Fetches that image from its registry. Raises DriverError pull_failed,
        image_missing where none is named, docker_unavailable."""

    def start(self, uid: str, command: Command, bounds: Bounds) -> Handle:
        """A run that was started before, alive or not, is returned as it is."""

    def find(self, uid: str) -> Handle | None: ...

    def abandon(self, uid: str) -> bool:
        """From now on uid cannot be started. False: it has been."""

    def observe(self, handle: Handle) -> Observation: ...

    def terminate(self, handle: Handle) -> None: ...

    def kill(self, handle: Handle) -> None: ...

    def tail(self, uid: str, max_bytes: int = 65_536) -> str: ...

    def log(self, uid: str, max_bytes: int) -> LogReader:
        """From max_bytes before its end on. Nothing is opened before it is read."""

    def owned(self) -> dict[str, list[int]]:
        """Live processes of this installation, by run."""

    def run_of(self, pid: int) -> str:
        """The run that a process belongs to, or descends from; empty: none of ours."""

    def reap(self, uid: str) -> None:
        """Kills every process of the run, known to its row or not."""

    def kept(self) -> list[str]:
        """Uids of all runs of which there still are files."""

    def cpu_seconds(self, handle: Handle) -> float:
        """Processor time of all its processes that live, since they began."""

    def memory_mib(self, handle: Handle) -> int | None:
        """Of the host, held by all its processes; None: not known."""

    def listens(self, handle: Handle, port: int) -> bool:
        """The run, and nobody else, listens on 127.0.0.1:port."""

    def discard(self, uid: str) -> None:
        """Forgets a run and its log. A live run is left alone."""
