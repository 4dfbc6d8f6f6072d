"""Engines as processes of this machine, each under a shim of its own.

runs_dir/UID/ belongs to one run: spec.json (until the shim has read it), claim.json
(who runs it, or that it never will), engine.log, engine.log.1, exit.json, shim.err, and
io/, the only folder that the engine may enter, with its socket.
"""

from __future__ import annotations

import errno
import grp
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from signal import Signals
from typing import Any

from common.network.sockets import FOLDER, socket_of
from runtimes import sandbox, shim
from runtimes.drivers import gpu_devices, procfs
from runtimes.drivers.base import (
    NO_BOUNDS,
    Bounds,
    DriverError,
    Handle,
    Observation,
    Pulled,
)
from runtimes.drivers.isolation import GPU_GROUPS, Isolation, user_of
from runtimes.drivers.log_files import LogFiles
from runtimes.frameworks.base import Command, Exit
from runtimes.proc import boot_id, started_at

LOG_BYTES = 16 * 1024 * 1024
SHIM_SECONDS = 5
UID_VARIABLE = "LLMPLATFORM_RUN_UID"
INSTANCE_VARIABLE = "LLMPLATFORM_INSTANCE"
UID = re.compile("[0-9a-f]{32}")
PASSED_ON = re.compile(
    "PATH|HOME|LANG|LC_ALL|TZ|TMPDIR|LD_LIBRARY_PATH|(CUDA|NVIDIA|HIP|ROCR?M?)_.*"
    "|HF_(HUB_CACHE|ENDPOINT)"
)
BASE_ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    # Programs that rename themselves would overwrite the variables they are known by.
    "SPT_NOENV": "1",
}


def engine_environment(platforms: Mapping[str, str]) -> dict[str, str]:
    """What engines get of the platform's own: what PATH, HOME, locale and GPU libraries
    need, no secrets."""
    passed_on = {k: v for k, v in platforms.items() if PASSED_ON.fullmatch(k)}
    return {**BASE_ENVIRONMENT, **passed_on}


class ProcessDriver:
    """instance: distinguishes installations on one machine. environment: the platform's
    own."""

    engine_host = ""
    images: Mapping[str, str] = {}
    engine_user = None

    def __init__(
        self,
        runs_dir: Path,
        instance: str,
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
        isolation: Mapping[str, Any] | None = None,
    ) -> None:
        self.runs_dir = runs_dir
        self.instance = instance
        self.python = python
        self.environment = engine_environment(environment or {})
        self.isolation = _isolation(instance, isolation) if isolation else None

    def image(self, framework: str, engine: str = "") -> str:
        return ""

    def pull(self, framework: str, engine: str = "") -> Iterator[Pulled]:
        raise DriverError("image_missing", image=engine or framework)

    def start(self, uid: str, command: Command, bounds: Bounds = NO_BOUNDS) -> Handle:
        if (handle := self.find(uid)) is not None:
            return handle
        self._refuse_abandoned(uid)
        detail = self._launch(uid, command, bounds)
        if (handle := self.find(uid)) is not None:
            return handle
        self._refuse_abandoned(uid)
        raise DriverError("launch_failed", detail=detail)

    def find(self, uid: str) -> Handle | None:
        claim = self._read(uid, "claim.json")
        if "pid" not in claim:
            return None
        return Handle(
            uid=uid,
            pid=claim["pid"],
            started=claim["started"],
            boot_id=claim["boot_id"],
            engine_pid=claim["engine_pid"],
        )

    def abandon(self, uid: str) -> bool:
        run_dir = self._made_dir(uid)
        draft = _draft(run_dir, {"uid": uid, "abandoned": True})
        try:
            os.link(draft, run_dir / "claim.json")
        except FileExistsError:
            return self._is_abandoned(uid)
        finally:
            draft.unlink()
        # Left by a launcher that was killed before its shim could read them.
        for secret in (run_dir / "spec.json", *run_dir.glob("draft.*")):
            secret.unlink(missing_ok=True)
        return True

    def observe(self, handle: Handle) -> Observation:
        shim_lives = self._shim_lives(handle)  # before the file: it is written last
        if ended := self._read(handle.uid, "exit.json"):
            # Shims of earlier versions do not record what happens to memory.
            oom = ended.get("oom", False)
            exit = Exit(code=ended["code"], signal=ended["signal"], oom=oom)
            reason = "memory_exceeded" if ended.get("over_mib") else ""
            return Observation(alive=False, exit=exit, reason=reason)
        if shim_lives or self._pids(handle.uid):
            return Observation(alive=True, exit=None)
        return Observation(alive=False, exit=Exit(code=None, signal=None))

    def terminate(self, handle: Handle) -> None:
        self._signal(handle, by_shim=Signals.SIGTERM, directly=Signals.SIGTERM)

    def kill(self, handle: Handle) -> None:
        self._signal(handle, by_shim=Signals.SIGUSR1, directly=Signals.SIGKILL)

    def tail(self, uid: str, max_bytes: int = 65_536) -> str:
        run_dir = self._run_dir(uid)
        newest = _last_bytes(run_dir / "engine.log", max_bytes)
        # Rotated between the two reads: some lines come twice, none is lost.
        before = _last_bytes(run_dir / "engine.log.1", max_bytes - len(newest))
        return (before + newest).decode(errors="replace")

    def log(self, uid: str, max_bytes: int) -> LogFiles:
        return LogFiles(self._run_dir(uid), max_bytes)

    def owned(self) -> dict[str, list[int]]:
        runs: dict[str, list[int]] = {}
        users = [self.isolation.user] if self.isolation else []
        for pid in procfs.own_pids(*users):
            if uid := self._run_of(pid):
                runs.setdefault(uid, []).append(pid)
        return runs

    def run_of(self, pid: int) -> str:
        marks = map(self._run_of, procfs.lineage(pid))
        return next(filter(None, marks), "")

    def reap(self, uid: str) -> None:
        self._signal_each(uid, Signals.SIGKILL)

    def run_uids(self) -> list[str]:
        try:
            names = [entry.name for entry in self.runs_dir.iterdir()]
        except FileNotFoundError:
            return []
        return [name for name in names if UID.fullmatch(name)]

    def cpu_seconds(self, handle: Handle) -> float:
        return sum(map(procfs.cpu_seconds, self._pids(handle.uid)))

    def memory_mib(self, handle: Handle) -> int | None:
        pids = [pid for pid in self._pids(handle.uid) if pid != handle.pid]
        return procfs.memory_kib(pids) // 1024 or None

    def listens(self, handle: Handle, port: int | None) -> bool:
        """Nobody else can enter the folder of its socket."""
        return socket_of(self.runs_dir, handle.uid).is_socket()

    def discard(self, uid: str) -> None:
        handle = self.find(uid)
        if handle is None or not self.observe(handle).alive:
            shutil.rmtree(self._run_dir(uid), ignore_errors=True)
            shutil.rmtree(_temporary_dir(uid), ignore_errors=True)

    def _launch(self, uid: str, command: Command, bounds: Bounds) -> str:
        """Detail of an error, if any; whether it runs is known from the claim alone."""
        mark = {UID_VARIABLE: uid, INSTANCE_VARIABLE: self.instance}
        try:
            run_dir = self._made_dir(uid)
            scratch = [run_dir / FOLDER, _temporary_dir(uid)]
            environment = {"TMPDIR": str(scratch[1]), **command.env, **mark}
            spec = {
                "uid": uid,
                "argv": [*self._sandbox(bounds, scratch), *command.argv],
                "env": {**self.environment, **self._account(), **environment},
                "stdin": command.stdin,
                "log_bytes": LOG_BYTES,
                "memory_mib": bounds.memory_mib,
                "scratch": [str(folder) for folder in scratch],
            }
            _draft(run_dir, spec).replace(run_dir / "spec.json")
            (run_dir / "shim.err").touch(mode=0o600)
            with (run_dir / "shim.err").open("ab") as errors:
                subprocess.run(
                    [self.python, "-I", "-S", shim.__file__, run_dir],
                    env={**self.environment, **mark},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    timeout=SHIM_SECONDS,
                    check=False,
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        return _last_bytes(run_dir / "shim.err", 200).decode(errors="replace")

    def _sandbox(self, bounds: Bounds, scratch: Sequence[Path]) -> list[str]:
        """What comes before the engine in argv; makes the folders it may write to."""
        owner = self.isolation.user if self.isolation and os.geteuid() == 0 else None
        for folder in scratch:
            _make_private(folder, owner)
        if self.isolation is None:
            return []
        _make_private(self.isolation.home, owner)
        program = Path(bounds.program or self.python)
        if has_gpus := bool(bounds.gpu_uuids):
            gpu_devices.complete(self.python, self.environment)
        policy = self.isolation.policy(
            program, bounds.readable, scratch, _gpu_groups(), has_gpus
        )
        return [self.python, "-I", "-S", sandbox.__file__, json.dumps(policy)]

    def _account(self) -> dict[str, str]:
        """Programs look up who they run as; the account of engines has no entry."""
        if self.isolation is None:
            return {}
        name = "llm-engine"
        return {"HOME": str(self.isolation.home), "USER": name, "LOGNAME": name}

    def _signal(self, handle: Handle, *, by_shim: Signals, directly: Signals) -> None:
        if self._shim_lives(handle):
            procfs.send(handle.pid, handle.started, by_shim)
            # In case it is stopped.
            procfs.send(handle.pid, handle.started, Signals.SIGCONT)
            return
        self._signal_each(handle.uid, directly)

    def _signal_each(self, uid: str, number: Signals) -> None:
        for pid in self._pids(uid):
            started = started_at(pid)
            if started is not None and self._run_of(pid) == uid:
                procfs.send(pid, started, number)

    def _shim_lives(self, handle: Handle) -> bool:
        same_boot = handle.boot_id == boot_id()
        return same_boot and started_at(handle.pid) == handle.started

    def _pids(self, uid: str) -> list[int]:
        return self.owned().get(uid, [])

    def _run_of(self, pid: int) -> str:
        environment = procfs.environment(pid)
        if environment.get(INSTANCE_VARIABLE.encode()) != self.instance.encode():
            return ""
        return environment.get(UID_VARIABLE.encode(), b"").decode(errors="replace")

    def _is_abandoned(self, uid: str) -> bool:
        return "abandoned" in self._read(uid, "claim.json")

    def _refuse_abandoned(self, uid: str) -> None:
        if self._is_abandoned(uid):
            raise DriverError("abandoned", uid=uid)

    def _read(self, uid: str, name: str) -> dict[str, Any]:
        """Empty if there is no such file, or power was lost while it was written."""
        path = self._run_dir(uid) / name
        try:
            data: dict[str, Any] = json.loads(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {}
        return data

    def _run_dir(self, uid: str) -> Path:
        if not UID.fullmatch(uid):
            raise ValueError(f"not a run uid: {uid!r}")
        return self.runs_dir / uid

    def _made_dir(self, uid: str) -> Path:
        run_dir = self._run_dir(uid)
        self.runs_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        run_dir.mkdir(mode=0o700, exist_ok=True)
        return run_dir


def _isolation(instance: str, options: Mapping[str, Any]) -> Isolation:
    user = options["user"] or user_of(instance)
    # Another user could not use what this one has left.
    home = options["home"] / str(user if os.geteuid() == 0 else os.geteuid())
    return Isolation(**{**options, "user": user, "home": home})


def _temporary_dir(uid: str) -> Path:
    """Short: engines make Unix sockets with long names in it."""
    return Path(tempfile.gettempdir()) / f"llmp-{uid}"


def _make_private(folder: Path, owner: int | None) -> None:
    """Raises OSError if somebody else has made it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid not in (os.geteuid(), owner):
            raise PermissionError(errno.EPERM, "another user made it", str(folder))
        os.fchmod(descriptor, 0o700)
        if owner is not None:
            os.fchown(descriptor, owner, owner)
    finally:
        os.close(descriptor)


def _gpu_groups() -> list[int]:
    names = {group.gr_name: group.gr_gid for group in grp.getgrall()}
    return [names[name] for name in GPU_GROUPS if name in names]


def _draft(run_dir: Path, data: dict[str, Any]) -> Path:
    """A finished file of mode 0600, to be linked or renamed to its name at once."""
    descriptor, path = tempfile.mkstemp(dir=run_dir, prefix="draft.")
    with os.fdopen(descriptor, "w") as file:
        json.dump(data, file)
    return Path(path)


def _last_bytes(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - count))
            return file.read(count)
    except FileNotFoundError:
        return b""
