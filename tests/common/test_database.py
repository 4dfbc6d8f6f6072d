"""Code that is older than its database is refused wherever it could write to it."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from common.database import code_version, record_version
from common.models import AppliedMigration
from llmplatform import settings
from tests.conftest import TESTS

NEWER = ("models_app", "0999_from_the_future")


def applied():
    return MigrationRecorder(connection).applied_migrations().keys()


@pytest.mark.django_db
def test_every_migration_has_the_version_that_applied_it():
    rows = AppliedMigration.objects.all()
    assert {(row.app, row.name) for row in rows} == applied()
    assert {row.version for row in rows} == {code_version()}
    assert code_version().startswith(settings.VERSION)


@pytest.mark.django_db
def test_version_is_that_of_the_first_application():
    app, name = min(applied())
    row = AppliedMigration.objects.filter(app=app, name=name)
    row.update(version="0.0.1")
    record_version()
    assert row.get().version == "0.0.1"
    MigrationRecorder(connection).record_unapplied(app, name)
    record_version()
    assert not row.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("version", "shown"),
    [("9.9.9 (abcdef0)", "9.9.9 (abcdef0)"), (None, "an unknown version")],
)
def test_unknown_migration_is_named_with_the_version_that_applied_it(version, shown):
    MigrationRecorder(connection).record_applied(*NEWER)
    if version:
        app, name = NEWER
        AppliedMigration.objects.create(app=app, name=name, version=version)
    with pytest.raises(CommandError) as caught:
        call_command("prepare", check=True)
    assert f"models_app.0999_from_the_future (applied by {shown})" in str(caught.value)
    assert f"this code ({code_version()})" in str(caught.value)


@pytest.fixture(scope="module")
def newer_database():
    """An installation whose code went back after a migration."""
    # Of pytest, a path is too long for Unix sockets.
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        put_a_later_migration_into(data_dir)
        yield data_dir


def put_a_later_migration_into(data_dir):
    run(data_dir, "manage.py", "migrate", "common", "--verbosity", "0")
    with sqlite3.connect(data_dir / "db.sqlite3") as database:
        row = (*NEWER, "2026-01-01")
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, ?)", row
        )
        database.execute(
            "INSERT INTO common_appliedmigration (app, name, version)"
            " VALUES (?, ?, '9.9.9')",
            NEWER,
        )


def run(data_dir, *args):
    return subprocess.run(
        [sys.executable, *args],
        cwd=TESTS.parent,
        env={"PATH": os.environ["PATH"], "HOME": "/", "DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command",
    [
        ("manage.py", "prepare"),
        ("manage.py", "prepare", "--check"),
        ("manage.py", "qcluster"),
        ("manage.py", "run_monitor"),
        ("-m", "llmplatform.servers", "web"),
        ("-m", "llmplatform.servers", "api"),
    ],
)
def test_nothing_starts_on_a_newer_database(newer_database, command):
    done = run(newer_database, *command)
    assert done.returncode == 1
    assert "models_app.0999_from_the_future (applied by 9.9.9)" in done.stderr
    assert "Traceback" not in done.stderr
