"""A process with Django loaded, which forks to run roles and code of an installation.

Loading Django takes seconds, a fork milliseconds. So kills hit a role at work and not
while it loads, and a test can change rows as often as it likes.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Reads a request a line, and answers each with a line.
PROGRAM = """
import contextlib, io, json, os, signal, sys, traceback, django
os.environ["DJANGO_SETTINGS_MODULE"] = "llmplatform.settings"
django.setup()
from django.conf import settings
from django.core.management import call_command, execute_from_command_line
import monitoring.management.commands.run_monitor
import scheduling.management.commands.qcluster
import scheduling.tasks
call_command("check", stdout=sys.stderr)  # each role does: what it loads is loaded then
signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def run_role(argv, log):
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, end in ((0, nothing), (1, output), (2, output)):
        os.dup2(end, target)
    execute_from_command_line(["manage.py", *argv])
    sys.exit()


def run_code(code, pipe):
    output, error = io.StringIO(), ""
    try:
        with contextlib.redirect_stdout(output):
            exec(code, {})
    except BaseException:
        error = traceback.format_exc()
    with os.fdopen(pipe, "w") as file:
        file.write(json.dumps({"output": output.getvalue(), "error": error}))
    os._exit(0)


for line in sys.stdin:
    request = json.loads(line)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for name, value in request["settings"].items():
            setattr(settings, name, value)
        if "code" in request:
            run_code(request["code"], writer)
        os.close(writer)
        run_role(request["argv"], request["log"])
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = file.read() if "code" in request else ""
    print(answer or json.dumps({"pid": pid}), flush=True)
"""


class ForkedRole:
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


class ForkServer:
    """settings: of the role or code that is forked, in place of its installation's."""

    def __init__(self, env):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            **{"cwd": ROOT, "env": env, "text": True, "bufsize": 1},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(self, argv, log, settings) -> ForkedRole:
        request = {"argv": argv, "log": str(log), "settings": settings}
        return ForkedRole(self._send(request)["pid"])

    def run(self, code) -> str:
        """What the code prints."""
        answer = self._send({"code": code, "settings": {}})
        assert not answer["error"], answer["error"]
        return answer["output"]

    def close(self):
        with self.process:
            self.process.kill()

    def _send(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        return json.loads(self.process.stdout.readline())
