"""Ask an installation for things, quickly: one process with Django loaded once."""

import subprocess
import sys

from tests.faults.installation import ROOT

# Wishes, one a line; what is not allowed just now is not asked for.
PROGRAM = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "llmplatform.settings"
django.setup()
from models_app import lifecycle
from models_app.exceptions import Conflict
from models_app.models import ServedModel
for line in sys.stdin:
    verb, name = line.split()
    try:
        getattr(lifecycle, "request_" + verb)(ServedModel.objects.get(name=name))
    except Conflict:
        pass
    print("done", flush=True)
"""


class Console:
    def __init__(self, site):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            **{"cwd": ROOT, "env": site.env, "text": True, "bufsize": 1},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, verb, name):
        self.process.stdin.write(f"{verb} {name}\n")
        assert self.process.stdout.readline() == "done\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


def booked_twice(site):
    [cores] = site.rows("select cpu_cores, name from runtimes_node")
    [held] = site.rows(
        "select coalesce(sum(cpu_cores), 0) as cores from models_app_run"
        " where state <> 'ended'"
    )
    return held["cores"] > cores["cpu_cores"]
