"""Files of a repository that was cloned without Git LFS: a few lines of text, where
their content is meant to be."""

from __future__ import annotations

BEGIN = b"version https://git-lfs"


def code_of(begin: bytes | bytearray, otherwise: str) -> str:
    """begin: the first bytes of a file that is not what it should be."""
    return "lfs_pointer" if begin.startswith(BEGIN) else otherwise
