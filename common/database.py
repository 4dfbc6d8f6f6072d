"""Refuse a database that newer code has migrated: writes to what this code does not
know would fail. The version that applies a migration is stored for the message."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _

from common.models import AppliedMigration

Migration = tuple[str, str]


class NewerDatabase(Exception):
    """The database has migrations that this code does not have."""


@cache
def code_version() -> str:
    """VERSION, and the commit where this is a working copy: "0.1.0 (45295cc)"."""
    git = shutil.which("git")
    if git is None or not (settings.BASE_DIR / ".git").exists():
        return settings.VERSION
    done = subprocess.run(
        [git, "-C", settings.BASE_DIR, "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
    )
    commit = done.stdout.strip()
    return f"{settings.VERSION} ({commit})" if commit else settings.VERSION


def record_version(**_: Any) -> None:
    """Receiver of post_migrate."""
    applied = MigrationRecorder(connection).applied_migrations().keys()
    if ("common", "0001_initial") not in applied:
        return
    rows = AppliedMigration.objects.all()
    known = {(row.app, row.name): row.pk for row in rows}
    rows.filter(pk__in=[pk for key, pk in known.items() if key not in applied]).delete()
    version = code_version()
    rows.bulk_create(
        AppliedMigration(app=app, name=name, version=version)
        for app, name in sorted(applied - known.keys())
    )


def refuse_newer_database() -> None:
    """Raises NewerDatabase; DatabaseError if the database cannot be used."""
    loader = MigrationLoader(connection)
    unknown = sorted(loader.applied_migrations.keys() - loader.disk_migrations.keys())
    if unknown:
        shown = {"code": code_version(), "migrations": _by_version(unknown)}
        text = _(
            "The database has migrations that this code (%(code)s) does not know:"
            " %(migrations)s. Deploy that version or a newer one, or restore a backup"
            " that was made before it."
        )
        raise NewerDatabase(text % shown)


def refuse_at_start() -> None:
    """For roles: they start without a database too, and wait for it."""
    try:
        refuse_newer_database()
    except DatabaseError:
        pass
    finally:
        connection.close()


def _by_version(migrations: list[Migration]) -> str:
    versions = _versions()
    unrecorded = _("an unknown version")
    return ", ".join(
        _("%(migration)s (applied by %(version)s)")
        % {"migration": ".".join(key), "version": versions.get(key, unrecorded)}
        for key in migrations
    )


def _versions() -> dict[Migration, str]:
    if AppliedMigration._meta.db_table not in connection.introspection.table_names():
        return {}
    return {(row.app, row.name): row.version for row in AppliedMigration.objects.all()}
