"""Files in a hub's repository, and errors of downloads. Pure."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Protocol

MAX_FILES = 5000
# Entries of a listing, before patterns apply
MAX_LISTED = 50_000
MAX_SIZE = 2**48  # bytes of a file
# Libraries keep their own files here while they download.
OWN_FOLDER = ".llmplatform"
# Limit of a name on common file systems, with room for suffixes
MAX_NAME_BYTES = 200
OF_DISK = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
    | {errno.EIO, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
)
# Includes lone surrogates, which neither file systems nor databases accept
UNFIT = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


# Raised by libraries, and here, for responses that make no sense
NONSENSE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Failed(Exception):
    """A download failed. params: values for the message. passing: transient, another
    attempt later may succeed."""

    def __init__(self, code: str, *, passing: bool = False, **params: object) -> None:
        super().__init__(code)
        self.code = code
        self.params = params
        self.passing = passing


def is_of_disk(error: BaseException | None) -> bool:
    """Unlike the OSErrors that connections raise."""
    return isinstance(error, OSError) and error.errno in OF_DISK


def of_status(
    status: int, endpoint: str, repository: dict[str, Any], setting: str
) -> Failed:
    """What an HTTP status of the hub means. setting: the one that holds the token."""
    codes = {401: "token_refused", 403: "repo_gated", 404: "repo_not_found"}
    if code := codes.get(status):
        return Failed(code, **repository, setting=setting)
    passing = status >= 500 or status in (408, 429)
    return Failed("hub_error", passing=passing, endpoint=endpoint, status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """size: bytes. sha256, git_sha1: checksums from the hub; git_sha1, of the Git blob,
    is known for files outside LFS. Raises ValueError for a bad name or size."""

    path: str
    size: int
    sha256: str = ""
    git_sha1: str = ""

    def __post_init__(self) -> None:
        is_valid = type(self.size) is int and 0 <= self.size <= MAX_SIZE
        if not isinstance(self.path, str) or not is_valid:
            raise ValueError(f"{self.path!r}: {self.size!r} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """commit: empty when the hub does not report it."""

    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


class Hub(Protocol):
    """Both raise Failed, or OSError of the local disk."""

    def listing(self, repo: str, revision: str) -> Listing: ...

    def fetch(
        self, repo: str, revision: str, files: Sequence[RemoteFile], folder: str
    ) -> None:
        """Fetch each file to its path below the folder. Complete files are skipped,
        partial ones resumed."""
        ...


def select(listing: Listing, patterns: Sequence[str]) -> Listing:
    """Files that match a pattern; all files when there are none. `*` matches `/` as
    well, and a pattern that ends with `/` means the whole folder."""
    globs = [f"{p}*" if p.endswith("/") else p for p in patterns]
    files = tuple(
        file
        for file in listing.files
        if not globs or any(fnmatchcase(file.path, glob) for glob in globs)
    )
    if not files:
        shown = [file.path for file in listing.files if is_safe(file.path)][:10]
        raise Failed("no_such_files", patterns=list(patterns), there=shown)
    if len(files) > MAX_FILES:
        raise Failed("too_many_files", value=len(files), max=MAX_FILES)
    check_names(file.path for file in files)
    return Listing(commit=listing.commit, files=files)


def check_names(paths: Iterable[str]) -> None:
    """Names come from the hub and must not lead out of the folder."""
    for path in paths:
        if not is_safe(path):
            raise Failed("unsafe_file_name", value=repr(path)[1:100])


def is_safe(path: str) -> bool:
    parts = path.split("/")
    return (
        not UNFIT.search(path)
        and not PurePosixPath(path).is_absolute()
        and parts[0] != OWN_FOLDER
        and all(part not in ("", ".", "..") for part in parts)
        and all(len(part.encode()) <= MAX_NAME_BYTES for part in parts)
    )
