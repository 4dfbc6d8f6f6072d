"""Recognise errors that mean that a disk is full."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import tempfile
from pathlib import Path

from django.conf import settings

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
# SQLite also fails to extend or open its files, and says so in other words.
FULL = "SQLITE_FULL"
OF_FILES = ("SQLITE_IOERR", "SQLITE_CANTOPEN")
FREE_BYTES = 2**20
# PostgreSQL's code
DISK_FULL = "53100"
DATABASE_SERVER = "the database server"


def full_disk(error: BaseException | None) -> str:
    """A folder on the disk that was full; empty if error has another cause."""
    while error is not None:
        if isinstance(error, sqlite3.Error) and _is_full(error):
            return str(_database())
        # psycopg is not imported for this: SQLite does without its library.
        if getattr(error, "sqlstate", None) == DISK_FULL:
            return DATABASE_SERVER
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            return str(error.filename or _fullest())
        error = error.__cause__
    return ""


def _is_full(error: sqlite3.Error) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    return name == FULL or (
        name.startswith(OF_FILES) and _free(_database()) < FREE_BYTES
    )


def _database() -> Path:
    return Path(settings.DATABASES["default"]["NAME"]).parent


def _fullest() -> Path:
    return min((settings.DATA_DIR, Path(tempfile.gettempdir())), key=_free)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
