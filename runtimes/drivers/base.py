"""How an engine is run: what a driver promises, and what it answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from runtimes.frameworks.base import Command, Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """Who runs a run. A pid alone proves nothing: it is used again after the process
    and after every boot. pid, started: the shim and its start in clock ticks."""

    uid: str
    pid: int
    started: int
    boot_id: str
    engine_pid: int | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Handle:
        return cls(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """alive: the engine or any process it left behind. exit: set when not alive."""

    alive: bool
    exit: Exit | None

    @property
    def vanished(self) -> bool:
        """Gone without a trace of how: it may be the watcher that does not see well."""
        return self.exit == Exit(code=None, signal=None)


class DriverError(Exception):
    """abandoned: this uid may never start. launch_failed: nothing was started, and
    params["detail"] says why."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(": ".join([code, *map(str, params.values())]))
        self.code = code
        self.params = params


class Driver(Protocol):
    """Every step is short and may be repeated. A uid is 32 hex digits, used once."""

    def start(self, uid: str, command: Command) -> Handle:
        """A run that was started before, alive or not, is returned as it is."""

    def find(self, uid: str) -> Handle | None: ...

    def abandon(self, uid: str) -> bool:
        """From now on uid cannot be started. False: it has been."""

    def observe(self, handle: Handle) -> Observation: ...

    def terminate(self, handle: Handle) -> None: ...

    def kill(self, handle: Handle) -> None: ...

    def tail(self, uid: str, max_bytes: int = 65_536) -> str: ...

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

    def listens(self, handle: Handle, port: int) -> bool:
        """The run, and nobody else, listens on 127.0.0.1:port."""

    def discard(self, uid: str) -> None:
        """Forgets a run and its log. A live run is left alone."""
