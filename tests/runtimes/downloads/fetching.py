"""Run the fetcher and collect its events."""

import os
from pathlib import Path

from runtimes.downloads.hubs.child import Child
from runtimes.downloads.hubs.fetcher import Spec

SOURCE = Path(__file__).parents[3]
UID = "a" * 32


def a_spec(server, root, **fields) -> Spec:
    defaults = {
        **{"hub": "huggingface", "endpoint": server.url, "token": ""},
        **{"repo": "own/tiny", "revision": "", "commit": "", "patterns": []},
        **{"root": str(root), "folder": "tiny", "uid": UID, "inode": 0, "reserve": 0},
        "networks": [],
        "parent": os.getpid(),
    }
    return Spec(**{**defaults, **fields})


def fetched(server, root, **fields) -> list[dict]:
    """All events."""
    with Child(a_spec(server, root, **fields), SOURCE, os.environ) as child:
        return [event for event in child.events(10) if event]


def ended(server, root, **fields) -> tuple[str, str]:
    """The last event, and the code of a failure."""
    last = fetched(server, root, **fields)[-1]
    return last["event"], last.get("code", "")


def files_in(folder) -> dict[str, bytes]:
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
