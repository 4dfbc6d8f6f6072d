import errno
import sqlite3

import psycopg
import pytest

from common.disks import DATABASE_SERVER, full_disk


def wrapped(cause):
    """As Django raises an error of a database."""
    error = RuntimeError("in the way")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (psycopg.errors.DiskFull(), DATABASE_SERVER),
        (psycopg.errors.UniqueViolation(), ""),
        (OSError(errno.ENOSPC, "full", "/data/file"), "/data/file"),
        (OSError(errno.EACCES, "refused", "/data/file"), ""),
        (sqlite3.OperationalError("database is locked"), ""),
        (ValueError(), ""),
    ],
)
def test_error_of_a_full_disk_is_recognised(error, where):
    assert full_disk(error) == where
    assert full_disk(wrapped(error)) == where
