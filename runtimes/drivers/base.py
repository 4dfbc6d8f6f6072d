"""Drivers: how engines are run. Their interface and the types that it uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from runtimes.frameworks.base import Command, Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """Identifies the engine of a run. A pid alone does not: pids are reused. pid,
    started: the shim and its start in clock ticks. container: the id of a container,
    which is never reused; the other fields are then unset."""

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
    """Resources of a run, 0 for no limit. A process is limited to its memory, and to
    its GPUs by the settings of its engine; a container to all of them. framework and
    engine, the installation that it would use without an image, select the image.
    program: the engine's own Python or binary, if it is not the platform's. readable:
    folders that a process may read beside those of the system."""

    framework: str = ""
    engine: str = ""
    program: str = ""
    readable: tuple[Path, ...] = ()
    port: int = 0
    cpu_cores: int = 0
    memory_mib: int = 0
    gpu_uuids: tuple[str, ...] = ()


NO_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """alive: the engine, or a process that it left behind. exit: set when not alive.
    reason: an end code, where the driver knows more than the log. blind: the driver
    cannot observe at the moment; an engine that was alive counts as alive."""

    alive: bool
    exit: Exit | None
    reason: str = ""
    blind: bool = False

    @property
    def vanished(self) -> bool:
        """Gone without an exit record; the observer may be at fault."""
        return self.exit == Exit(code=None, signal=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Part of a log. skipped: the bytes right before it were left out, or lost."""

    data: bytes
    skipped: bool = False


class LogReader(Protocol):
    """For one caller and one thread at a time. Raises nothing but OSError."""

    def read(self, max_bytes: int) -> Chunk:
        """The next bytes, without waiting; no data: nothing more for now."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """Progress of a pull. bytes: of layers whose size is known, without those that were
    already present."""

    layers: int
    layers_done: int
    bytes: int
    bytes_done: int


class DriverError(Exception):
    """abandoned: this uid may never start. launch_failed: nothing was started, and
    params["detail"] is the cause. Other codes have messages of their own."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(": ".join([code, *map(str, params.values())]))
        self.code = code
        self.params = params


class Driver(Protocol):
    """Every call but pull is short and may be repeated. A uid is 32 hex digits, used
    once. image, pull, start, find, abandon, terminate and kill may raise DriverError,
    the others never do."""

    @property
    def engine_host(self) -> str:
        """Address on which engines listen, so that 127.0.0.1 reaches them here; empty:
        they listen on the Unix socket of their run, and need no port."""

    @property
    def engine_user(self) -> tuple[int, int] | None:
        """uid and gid of engines; None: this process's own."""

    @property
    def images(self) -> Mapping[str, str]:
        """Names by framework, and by engine where its own is another; empty: engines
        are installed here."""

    def image(self, framework: str, engine: str = "") -> str:
        """Describes the image; empty: engines are installed on this machine.
        Raises DriverError image_missing, docker_unavailable."""

    def pull(self, framework: str, engine: str = "") -> Iterator[Pulled]:
        """Fetches that image from its registry. Raises DriverError pull_failed,
        image_missing where none is named, docker_unavailable."""

    def start(self, uid: str, command: Command, bounds: Bounds) -> Handle:
        """Returns the handle of a run that was started before, alive or not."""

    def find(self, uid: str) -> Handle | None: ...

    def abandon(self, uid: str) -> bool:
        """Ensures that uid can never start. False: it was started."""

    def observe(self, handle: Handle) -> Observation: ...

    def terminate(self, handle: Handle) -> None: ...

    def kill(self, handle: Handle) -> None: ...

    def tail(self, uid: str, max_bytes: int = 65_536) -> str: ...

    def log(self, uid: str, max_bytes: int) -> LogReader:
        """Starts max_bytes before the end. Opens nothing before the first read."""

    def owned(self) -> dict[str, list[int]]:
        """Live processes of this installation, by uid."""

    def run_of(self, pid: int) -> str:
        """Uid of the run that a process belongs to or descends from; empty: none."""

    def reap(self, uid: str) -> None:
        """Kills every process of the run, whether its row knows them or not."""

    def run_uids(self) -> list[str]:
        """Uids of all runs that still have files."""

    def cpu_seconds(self, handle: Handle) -> float:
        """Processor time of its live processes since they started."""

    def memory_mib(self, handle: Handle) -> int | None:
        """Host memory of all its processes; None: unknown."""

    def listens(self, handle: Handle, port: int | None) -> bool:
        """Whether only this run listens on 127.0.0.1:port, or on its Unix socket."""

    def discard(self, uid: str) -> None:
        """Deletes the files of a run and its log, unless it is live."""
