"""Roles that start in a moment: forked from a process that has everything imported, so
that kills hit them at work and not while they load."""

import os
import signal
import subprocess
import sys
import time

from tests.faults.installation import ROOT, Installation

# A command and its log, one pair a line; answered by the pid.
PROGRAM = """
import os, signal, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "llmplatform.settings"
django.setup()
from django.core.management import call_command, execute_from_command_line
import monitoring.management.commands.run_monitor
import scheduling.management.commands.qcluster
import scheduling.tasks
call_command("check", stdout=sys.stderr)  # each role does: what it loads is loaded then
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    command, log = line.split()
    if pid := os.fork():
        print(pid, flush=True)
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    said = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for at, end in ((0, os.open(os.devnull, os.O_RDONLY)), (1, said), (2, said)):
        os.dup2(end, at)
    execute_from_command_line(["manage.py", command])
    sys.exit()
"""


class Born:
    """What of subprocess.Popen an installation uses."""

    def __init__(self, pid):
        self.pid = pid

    def poll(self):
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -signal.SIGKILL
        return None

    def wait(self):
        while self.poll() is None:
            time.sleep(0.001)


class QuickInstallation(Installation):
    def __enter__(self):
        site = super().__enter__()
        self.nursery = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            **{"cwd": ROOT, "env": self.env, "text": True, "bufsize": 1},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return site

    def __exit__(self, *exc):
        super().__exit__(*exc)
        with self.nursery:
            self.nursery.kill()

    def start(self, *names):
        for name in names:
            log = str(self.data_dir / f"{name}.log").replace(" ", "-")
            command = "run_monitor" if name == "monitor" else "qcluster"
            self.nursery.stdin.write(f"{command} {log}\n")
            self.roles[name] = Born(int(self.nursery.stdout.readline()))
