"""One download as a program of its own: `python -m runtimes.downloads.fetcher`.

1. Reads what to fetch from its standard input, and holds the hidden folder: only one
   process ever works in it.
2. Lists the repository, checks names and room, fetches, verifies; what is wrong is
   fetched once more.
3. Gives the folder its final name.

It tells a line of JSON on its standard output for each of these, and while it goes on.
kill -9 at any line loses nothing but the time. Knows no Django and no database; ends
with the process that started it.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtimes.downloads.hubs import folder
from runtimes.downloads.hubs.remote import Failed, Hub, Listing, RemoteFile, select

TELL_S = 0.5
STDOUT = 1  # descriptor
PR_SET_PDEATHSIG = 1
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """hub: huggingface or modelscope. token: the only secret here, so all of it comes
    by standard input. commit: of the first listing, if there was one: branches move.
    inode: of the hidden folder, if it was made already. parent: pid of the starter."""

    hub: str
    endpoint: str
    token: str
    repo: str
    revision: str
    commit: str
    patterns: list[str]
    root: str
    folder: str
    uid: str
    inode: int
    reserve: int
    parent: int

    def text(self) -> str:
        return json.dumps(asdict(self))

    @property
    def part(self) -> Path:
        return folder.part_of(Path(self.root), self.folder, self.uid)

    @property
    def target(self) -> Path:
        return Path(self.root, self.folder)


def main() -> None:
    os.umask(0o022)  # engines in containers may run as another user
    sys.stdout = sys.stderr  # what a library prints goes to the log
    spec = Spec(**json.load(sys.stdin))
    end_with(spec.parent)
    try:
        run(spec)
    except Failed as failed:
        if failed.code != "download_is_held":
            folder.discard_if_empty(spec.part)
        tell("failed", code=failed.code, params=failed.params, passing=failed.passing)
    except OSError as error:
        code = "disk_full" if error.errno in FULL else "files_unwritable"
        tell(
            "failed", code=code, params={"path": spec.root, "detail": str(error)[:200]}
        )
    os._exit(0)  # threads of a library must not hold up the end


def end_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def tell(event: str, **what: Any) -> None:
    os.write(STDOUT, json.dumps({"event": event, **what}).encode() + b"\n")


def run(spec: Spec) -> None:
    """Raises Failed, or OSError of the disk."""
    if spec.inode and folder.inode(spec.target) == spec.inode:
        tell("done")  # and was killed before that was heard
        return
    folder.check_absent(spec.target)
    folder.hold(spec.part)
    hub = hub_of(spec)
    listing = select(
        hub.listing(spec.repo, spec.commit or spec.revision), spec.patterns
    )
    inode = folder.inode(spec.part)
    tell(
        "listed",
        **{"commit": listing.commit, "inode": inode},
        **{"bytes": listing.size, "files": len(listing.files)},
    )
    folder.check_space(spec.part, listing.size, spec.reserve)
    fetch(spec, hub, listing)
    folder.publish(spec.part, spec.target)
    tell("done")


def hub_of(spec: Spec) -> Hub:
    """Each library takes long to import, and reads its variables only then."""
    if spec.hub == "modelscope":
        from runtimes.downloads.hubs.modelscope import ModelScope  # noqa: PLC0415

        return ModelScope(spec.endpoint, spec.token)
    from runtimes.downloads.hubs.huggingface import HuggingFace  # noqa: PLC0415

    return HuggingFace(spec.endpoint, spec.token)


def fetch(spec: Spec, hub: Hub, listing: Listing) -> None:
    revision = listing.commit or spec.revision
    wrong = list(listing.files)
    for _ in range(2):
        with progress("fetching", lambda: folder.bytes_in(spec.part), listing.size):
            hub.fetch(spec.repo, revision, listing.files, str(spec.part))
        wrong = verify(spec, listing)
        if not wrong:
            return
        folder.discard_files(spec.part, wrong)
    raise Failed("checksum_mismatch", path=wrong[0].path)


def verify(spec: Spec, listing: Listing) -> list[RemoteFile]:
    read = 0

    def note(size: int) -> None:
        nonlocal read
        read = size

    with progress("verifying", lambda: read, listing.size):
        return folder.wrong_files(spec.part, listing.files, note)


@contextmanager
def progress(event: str, done: Callable[[], int], most: int) -> Iterator[None]:
    """Tells how far it is, a few times a second, until the block ends."""

    def say() -> None:
        tell(event, bytes=min(done(), most))

    def go_on() -> None:
        while not ended.wait(TELL_S):
            say()

    ended = threading.Event()
    thread = threading.Thread(target=go_on, daemon=True)
    say()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    say()


if __name__ == "__main__":
    main()
