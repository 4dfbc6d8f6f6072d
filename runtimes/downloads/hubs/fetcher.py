"""One download as a program of its own: `python -m runtimes.downloads.hubs.fetcher`.

1. Reads its Spec from standard input and locks the hidden folder, so that only one
   process works there.
2. Lists the repository, checks names and disk space, fetches and verifies. Files with
   wrong content are fetched once more.
3. Renames the folder to its final name.

Events are lines of JSON on standard output. A kill -9 at any point costs time only.
Uses no Django and no database; ends with the process that started it.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.processes import end_with
from runtimes.downloads.hubs import folder, network
from runtimes.downloads.hubs.remote import Failed, Hub, Listing, RemoteFile, select

EVENT_S = 0.5
STDOUT = 1  # descriptor
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """hub: huggingface or modelscope. token: a secret, hence the standard
    input. commit: from the first listing, if any, because branches move. inode: of the
    hidden folder, if it exists. networks: private ones that the hub may redirect to.
    parent: pid of the process that started this one."""

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
    networks: list[str]
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
    network.limit_memory()
    network.guard(spec.endpoint, spec.networks)
    try:
        run(spec)
    except (Failed, MemoryError) as error:
        failed = failure_of(error)
        if failed.code != "download_is_held":
            folder.discard_if_empty(spec.part)
        emit("failed", code=failed.code, params=failed.params, passing=failed.passing)
    except OSError as error:
        code = "disk_full" if error.errno in FULL else "files_unwritable"
        emit(
            "failed", code=code, params={"path": spec.root, "detail": str(error)[:200]}
        )
    os._exit(0)  # a library's threads must not delay the exit


def failure_of(error: Failed | MemoryError) -> Failed:
    if isinstance(error, Failed):
        return error
    return Failed("hub_response_too_large", max=network.MAX_MEMORY_MIB)


def emit(event: str, **fields: Any) -> None:
    os.write(STDOUT, json.dumps({"event": event, **fields}).encode() + b"\n")


def run(spec: Spec) -> None:
    """Raises Failed, or OSError of the disk."""
    if spec.inode and folder.inode(spec.target) == spec.inode:
        emit("done")  # killed before the event was read
        return
    folder.check_absent(spec.target)
    folder.hold(spec.part)
    hub = hub_of(spec)
    listing = select(
        hub.listing(spec.repo, spec.commit or spec.revision), spec.patterns
    )
    inode = folder.inode(spec.part)
    emit(
        "listed",
        **{"commit": listing.commit, "inode": inode},
        **{"bytes": listing.size, "files": len(listing.files)},
    )
    folder.check_space(spec.part, listing.size, spec.reserve)
    fetch(spec, hub, listing)
    folder.publish(spec.part, spec.target)
    emit("done")


def hub_of(spec: Spec) -> Hub:
    """Imports one library only: each takes seconds, and reads its variables then."""
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

    def on_read(size: int) -> None:
        nonlocal read
        read = size

    with progress("verifying", lambda: read, listing.size):
        return folder.wrong_files(spec.part, listing.files, on_read)


@contextmanager
def progress(event: str, done: Callable[[], int], most: int) -> Iterator[None]:
    """Emit progress a few times a second until the block ends."""

    def emit_progress() -> None:
        emit(event, bytes=min(done(), most))

    def repeat() -> None:
        while not ended.wait(EVENT_S):
            emit_progress()

    ended = threading.Event()
    thread = threading.Thread(target=repeat, daemon=True)
    emit_progress()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    emit_progress()


if __name__ == "__main__":
    main()
