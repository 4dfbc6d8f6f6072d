"""A PostgreSQL server of the tests' own, from the binaries of this machine."""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path


def binaries() -> Path | None:
    """None where PostgreSQL's server is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


def as_ordinary_user(argv):
    """The server refuses to be run by root; Debian's package makes a user for it."""
    return ["runuser", "-u", "postgres", "--", *argv] if os.geteuid() == 0 else argv


@contextmanager
def server():
    """Its URL. It listens on a socket in a folder of its own only."""
    home = Path(tempfile.mkdtemp(prefix="llmplatform-pg-"))
    if os.geteuid() == 0:
        os.chown(home, pwd.getpwnam("postgres").pw_uid, -1)
    data, tools = home / "data", binaries()

    def run(tool, *args):
        argv = as_ordinary_user([str(tools / tool), *args])
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd="/")

    run("initdb", "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync")
    options = f"-k {home} -c listen_addresses='' -c fsync=off"
    log = str(home / "log")
    run("pg_ctl", "-D", str(data), "-o", options, "-l", log, "-w", "start")
    try:
        yield f"postgres://postgres@{str(home).replace('/', '%2F')}/postgres"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)
