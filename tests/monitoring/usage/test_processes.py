"""Several gateways add to the same rows."""

import os
import sqlite3
import subprocess
import sys

CREATE = """
from django.db import connection
with connection.schema_editor() as editor:
    editor.create_model(UsageRecord)
    editor.create_model(Watermark)
"""
WRITE = """
for number in range(1, 101):
    write(sys.argv[1], number, {
        Key(7200, "abc", 1, model): Entry(
            token_name="ci", user_name="ann", model_name="smol", requests=1, cost=7
        )
        for model in range(3)
    })
"""
SET_UP = """
import sys
import django
django.setup()
from monitoring.models import Watermark
from monitoring.usage.ledger import Entry, Key, write
from monitoring.usage.models import UsageRecord
"""


def start(folder, script, *arguments):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "DATA_DIR": str(folder),
    }
    command = [sys.executable, "-c", SET_UP + script, *arguments]
    return subprocess.Popen(command, env=environment)


def test_two_processes_add_up_exactly(tmp_path):
    assert start(tmp_path, CREATE).wait(60) == 0
    writers = [start(tmp_path, WRITE, name) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with sqlite3.connect(tmp_path / "db.sqlite3") as database:
        rows = database.execute("SELECT requests, cost FROM monitoring_usagerecord")
        assert [(requests, round(cost, 10)) for requests, cost in rows] == [
            (200, 0.00000014)
        ] * 3
