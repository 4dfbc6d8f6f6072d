"""Files of a repository that was cloned without Git LFS: a few lines of text, where
their content is meant to be."""

from __future__ import annotations

MARK = b"version https://git-lfs"


def code_of(start: bytes | bytearray, otherwise: str) -> str:
    """start: the first bytes of a file that is not what it should be."""
    return "lfs_pointer" if start.startswith(MARK) else otherwise
