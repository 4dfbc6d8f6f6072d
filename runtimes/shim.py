"""Parent of one engine, as a program of its own: `python -I -S shim.py RUN_DIR`.

1. Reads RUN_DIR/spec.json, leaves its caller, claims RUN_DIR/claim.json. One process
   ever gets the claim, so a run never has two engines; the others just exit.
2. Starts the engine in its own session; copies its output to engine.log, rotated.
3. SIGTERM: SIGTERM to the engine's group. SIGUSR1: SIGKILL to it. Nothing else ends it.
4. An engine that takes more memory than spec.json allows gets SIGKILL.
5. Engine gone: kills every process it left behind, removes what they wrote, writes
   exit.json, exits.

kill -9 of this process takes the engine along. Standard library only, and few modules
of it, since every run has a shim: typing and pathlib would cost 0.6 MiB each.
"""
# ruff: noqa: PTH100, PTH105, PTH108, PTH120, PTH123

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from runtimes.proc import boot_id, children, started_at
from runtimes.shim_memory import MemoryLimit, OomKills

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

READ_BYTES = 65_536
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CANNOT_EXECUTE = 127
HANDLED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD)
IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)
FORWARDED = {signal.SIGTERM: signal.SIGTERM, signal.SIGUSR1: signal.SIGKILL}
# Written before there is an engine: a disk that is full by then can still take the end.
EXIT_DRAFT = "exit.draft"
EXIT_BYTES = 128


def main(run_dir: str) -> None:
    os.umask(0o077)
    os.chdir(run_dir)
    spec = read_spec()
    settled = leave_caller()
    wake = catch_signals()
    claim = claim_run(spec["uid"])
    # Whoever has the claim has read the spec: its secrets may go.
    remove("spec.json")
    if claim:
        run(spec, claim, wake, settled)


def read_spec() -> dict[str, Any]:
    try:
        with open("spec.json") as file:
            spec: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        sys.exit(0)  # another shim of this run was faster
    return spec


def leave_caller() -> int:
    """Returns in a new session, detached from the caller. The caller's child waits
    until the returned descriptor is closed everywhere: engine executing, or nothing to
    do."""
    waiting, settled = os.pipe()
    if os.fork():
        os.close(settled)
        os.read(waiting, 1)
        os._exit(0)
    os.close(waiting)
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return settled


def catch_signals() -> int:
    """Descriptor from which the numbers of arrived signals are read. They stay blocked
    until there is an engine to pass them on to."""
    signal.pthread_sigmask(signal.SIG_SETMASK, HANDLED)
    wake, arrived = os.pipe()
    os.set_blocking(arrived, False)
    signal.set_wakeup_fd(arrived, warn_on_full_buffer=False)
    for number in HANDLED:
        signal.signal(number, lambda *_: None)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    return wake


def claim_run(uid: str) -> dict[str, Any] | None:
    """None if the run was claimed before, or abandoned."""
    claim = {
        "uid": uid,
        "boot_id": boot_id(),
        "pid": os.getpid(),
        "started": started_at(os.getpid()),
        "engine_pid": None,
        "engine_started": None,
    }
    draft = f"claim.{os.getpid()}"
    write(draft, json.dumps(claim))
    try:
        os.link(draft, "claim.json")
    except FileExistsError:
        return None
    finally:
        remove(draft)
    return claim


def run(spec: dict[str, Any], claim: dict[str, Any], wake: int, settled: int) -> None:
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    output, writer = os.pipe()
    log = RotatingLog("engine.log", spec["log_bytes"])
    try_to_write(EXIT_DRAFT, " " * EXIT_BYTES)
    engine = start_engine(spec, writer)
    os.close(writer)
    name_engine(claim, engine)
    os.close(settled)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    limit = MemoryLimit(os.getpid(), spec.get("memory_mib", 0))
    ended = supervise(engine, log, output, wake, limit)
    kill_the_rest(engine)
    for folder in spec.get("scratch", ()):
        remove_tree(folder)
    os.set_blocking(output, False)
    while copy_log(output, log):
        continue
    record_exit(ended)


def start_engine(spec: dict[str, Any], writer: int) -> int:
    shim = os.getpid()
    # A file in memory instead of a pipe: text of any length, and no side has to wait.
    stdin = os.memfd_create("stdin")
    with open(stdin, "w", closefd=False) as file:
        file.write(spec["stdin"])
    os.lseek(stdin, 0, os.SEEK_SET)
    engine = os.fork()
    if engine == 0:
        become_engine(spec, shim, stdin, writer)
    os.close(stdin)
    return engine


def become_engine(spec: dict[str, Any], shim: int, stdin: int, writer: int) -> NoReturn:
    argv = spec["argv"]
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != shim:  # it died before the line above
            os._exit(CANNOT_EXECUTE)
        os.dup2(stdin, 0)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        signal.set_wakeup_fd(-1)
        for number in (*HANDLED, *IGNORED):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # A core file would hold prompts, and be as large as the model.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.execvpe(argv[0], argv, spec["env"])  # noqa: S606
    except (OSError, ValueError) as error:
        os.write(2, f"shim: cannot execute the engine: {error}\n".encode())
    finally:
        os._exit(CANNOT_EXECUTE)


def name_engine(claim: dict[str, Any], engine: int) -> None:
    named = {**claim, "engine_pid": engine, "engine_started": started_at(engine)}
    draft = f"claim.{os.getpid()}"
    if try_to_write(draft, json.dumps(named)):
        os.replace(draft, "claim.json")


class RotatingLog:
    """At most max_bytes: the newest in NAME, the ones before in NAME.1. What cannot be
    written is lost; the engine is never held up."""

    def __init__(self, name: str, max_bytes: int) -> None:
        self.name = name
        self.half = max(1, max_bytes // 2)
        self.descriptor = -1
        self.size = 0

    def write(self, data: bytes) -> None:
        try:
            while data:
                self.make_room()
                written = os.write(self.descriptor, data[: self.half - self.size])
                self.size += written
                data = data[written:]
        except OSError:
            self.close()

    def make_room(self) -> None:
        if self.descriptor < 0:
            self.open()
        if self.size >= self.half:
            os.replace(self.name, f"{self.name}.1")
            self.close()
            self.open()

    def open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self.descriptor = os.open(self.name, flags, 0o600)
        self.size = os.fstat(self.descriptor).st_size

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def supervise(
    engine: int, log: RotatingLog, output: int, wake: int, limit: MemoryLimit
) -> dict[str, Any]:
    """Until the engine has ended; it is left unreaped, so that its group keeps its
    number. Shape: {"code": int | None, "signal": int | None, "at": epoch seconds,
    "oom": whether its control group lost one for memory, a minute or two before,
    "over_mib": what it used when that was too much, else 0}."""
    poll = select.poll()
    poll.register(output, select.POLLIN)
    poll.register(wake, select.POLLIN)
    kills = OomKills(engine)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(limit.period_ms)}
        kills.count()
        if limit.is_exceeded():
            signal_group(engine, signal.SIGKILL)
        if output in ready and not copy_log(output, log):
            poll.unregister(output)  # the engine closed its output and may go on
        if wake in ready:
            pass_on(os.read(wake, READ_BYTES), engine)
            ended = engine_end(engine)
            if ended:
                return {**ended, "oom": kills.any, "over_mib": limit.over_mib}


def copy_log(output: int, log: RotatingLog) -> bool:
    """False when there is no more to come, or for now if output does not block."""
    try:
        data = os.read(output, READ_BYTES)
    except BlockingIOError:
        return False
    log.write(data)
    return bool(data)


def pass_on(arrived: bytes, engine: int) -> None:
    for number, forwarded in FORWARDED.items():
        if number in arrived:
            signal_group(engine, forwarded)


def signal_group(engine: int, number: int) -> None:
    try:
        os.killpg(engine, number)
    except ProcessLookupError:
        os.kill(engine, number)  # just forked: it has not made its group yet


def engine_end(engine: int) -> dict[str, Any] | None:
    """Reaps orphans of the engine on the way."""
    how = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while event := os.waitid(os.P_ALL, 0, how):
        if event.si_pid == engine:
            exited = event.si_code == os.CLD_EXITED
            return {
                "code": event.si_status if exited else None,
                "signal": None if exited else event.si_status,
                "at": time.time(),
            }
        os.waitpid(event.si_pid, 0)
    return None


def kill_the_rest(engine: int) -> None:
    """The group, then whatever has left it: as a subreaper this process inherits all
    orphans. Processes in a system call that cannot be broken off are waited for."""
    signal_group(engine, signal.SIGKILL)
    while True:
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


def record_exit(ended: dict[str, Any]) -> None:
    with open(os.open(EXIT_DRAFT, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(json.dumps(ended).ljust(EXIT_BYTES))
    os.replace(EXIT_DRAFT, "exit.json")


def write(name: str, text: str) -> None:
    with open(name, "w") as file:
        file.write(text)


def try_to_write(name: str, text: str) -> bool:
    """False on a full disk: an engine is worth more than notes about it."""
    try:
        write(name, text)
    except OSError as error:
        sys.stderr.write(f"shim: {name}: {error}\n")
        return False
    return True


def remove_tree(folder: str) -> None:
    """As far as possible: what is left goes with the run's own folder."""
    for at, folders, files in os.walk(folder, topdown=False):
        for name in files:
            try_to_remove(os.unlink, f"{at}/{name}")
        for name in folders:
            try_to_remove(os.rmdir, f"{at}/{name}")
    try_to_remove(os.rmdir, folder)


def try_to_remove(remover: Callable[[str], None], path: str) -> None:
    try:
        remover(path)
    except OSError:
        return


def remove(name: str) -> None:
    try:
        os.unlink(name)
    except FileNotFoundError:
        return


def prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


if __name__ == "__main__":
    main(sys.argv[1])
