"""An installation made by the scripts themselves, in a folder of its own."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
OURS = ("DATA_DIR", "REDIS_URL", "DJANGO_SETTINGS_MODULE")


class Deployed:
    def __init__(self):
        self.data_dir = Path(tempfile.mkdtemp(prefix="deployed-"))
        web, api = free_ports(2)
        kept = {k: v for k, v in os.environ.items() if k not in OURS}
        self.env = {
            **kept,
            "DATA_DIR": str(self.data_dir),
            "VENV": sys.prefix,
            "WEB_PORT": str(web),
            "API_PORT": str(api),
            # Beside those of an installation that may run on this machine.
            "ENGINE_PORT_FIRST": "24000",
            "ENGINE_PORT_LAST": "24099",
        }

    def run(self, script, *args, timeout=240, **env):
        return subprocess.run(
            [ROOT / "scripts" / script, *args],
            cwd="/",
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def deploy(self, mode="development", **env):
        done = self.run("deploy-source.sh", mode, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def remove(self):
        self.run("stop-source.sh", "--engines")
        for process in self.processes():
            process.kill()
        shutil.rmtree(self.data_dir)

    def roles(self):
        """Pids by role, of those that run."""
        told = self.run("status-source.sh").stdout
        found = re.findall(r"^  (\w+) +RUNNING +pid (\d+)", told, re.MULTILINE)
        return {role: int(pid) for role, pid in found}

    def engine_pids(self):
        claims = self.data_dir.glob("runs/*/claim.json")
        pids = [json.loads(claim.read_text())["engine_pid"] for claim in claims]
        return [pid for pid in pids if pid and psutil.pid_exists(pid)]

    def processes(self):
        """Everything that was started for this installation and still lives."""
        me = os.getpid()
        return [p for p in psutil.process_iter() if p.pid != me and self._carries(p)]

    def _carries(self, process):
        folder = str(self.data_dir)
        try:
            given = {**process.environ(), "": " ".join(process.cmdline())}
        except psutil.Error:
            return False
        return any(folder in value for value in given.values())

    def until(self, what, seconds=90):
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.2)
        return found

    def logs(self):
        return "\n".join(
            f"--- {log.name}\n{log.read_text()[-1500:]}"
            for log in self.data_dir.glob("logs/*.log")
        )


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
