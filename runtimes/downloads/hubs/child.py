"""Run the fetcher as a child process. Pure.

A process of its own, because the libraries cannot be interrupted, read settings from
variables at import, and would keep their memory.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from runtimes.downloads.hubs.fetcher import Spec
from runtimes.downloads.hubs.remote import OWN_FOLDER

Event = dict[str, Any]

# The operator's proxy and certificates apply to downloads.
INHERITED = re.compile(
    "PATH|LANG|LC_ALL|TZ|TMPDIR|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    "|(HTTPS?|ALL|NO)_PROXY",
    re.IGNORECASE,
)
OWN = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DOWNLOAD_TIMEOUT": "30",
    # Avoids a request to a cloud provider's metadata server.
    "MODELSCOPE_DOWNLOAD_INTRA_CLOUD": "false",
    # The platform retries with back-off.
    "MODELSCOPE_DOWNLOAD_MAX_RETRIES": "1",
    # Per file. A large file may take days; a stalled one is detected by its rate.
    "MODELSCOPE_DOWNLOAD_TOTAL_TIMEOUT": str(30 * 24 * 3600),
    "MODELSCOPE_LOG_LEVEL": "WARNING",
    "TQDM_DISABLE": "1",
    "PYTHONUNBUFFERED": "1",
}
READ_BYTES = 65_536


class Child:
    """source: folder of the program's code. environment: the platform's own."""

    def __init__(
        self, spec: Spec, source: Path, environment: Mapping[str, str]
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runtimes.downloads.hubs.fetcher"],
            cwd=source,
            env=_environment(spec, environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdin is not None  # noqa: S101 -- requested above
        with self.process.stdin as stdin:
            stdin.write(spec.text().encode())

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def events(self, every: float) -> Iterator[Event | None]:
        """Events until it exits; None after `every` seconds without one."""
        assert self.process.stdout is not None  # noqa: S101 -- requested above
        pipe = self.process.stdout.fileno()
        rest = b""
        while True:
            if not select.select([pipe], [], [], every)[0]:
                yield None
                continue
            chunk = os.read(pipe, READ_BYTES)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(json.loads, lines)


def _environment(spec: Spec, given: Mapping[str, str]) -> dict[str, str]:
    """Caches of the libraries go into the hidden folder."""
    own = str(spec.part / OWN_FOLDER)
    homes = dict.fromkeys(
        ("HOME", "HF_HOME", "MODELSCOPE_HOME", "MODELSCOPE_CACHE"), own
    )
    inherited = {k: v for k, v in given.items() if INHERITED.fullmatch(k)}
    return {**inherited, **OWN, **homes}
