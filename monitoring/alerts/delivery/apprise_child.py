"""One message by Apprise: `python -m monitoring.alerts.delivery.apprise_child`. Pure.

A process of its own, because the library cannot be interrupted, reads responses of any
size and opens files that a URL names. Here it takes a bounded time and memory, connects
to admitted addresses only, and opens nothing but its own code.

Reads a Job from standard input, and writes an Outcome to standard output.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.network.addresses import watch
from common.processes import end_with
from monitoring.alerts.delivery.network import Failed, Policy

MAX_MEMORY_MIB = 512
STDOUT = 1  # descriptor
STATUS = re.compile(r"error=(\d{3})\b")
STARTS_PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"}
)
# Beside Python: certificates, time zones, what resolvers read
READABLE = ("/usr/share", "/usr/lib/ssl", "/etc/ssl", "/etc/pki", "/dev/null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """url: a secret, hence the standard input. body: empty to check the URL only.
    level: a type of Apprise's. parent: pid of the process that started this one."""

    url: str
    title: str = ""
    body: str = ""
    level: str = "info"
    networks: list[str]
    parent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """code: empty if it was sent. status: of the response, if known."""

    code: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    passing: bool = False


class Refused(Exception):
    """Not for what Apprise asks."""


def main() -> None:
    sys.stdout = sys.stderr
    job = Job(**json.load(sys.stdin))
    end_with(job.parent)
    most = MAX_MEMORY_MIB * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    outcome = send(job)
    os.write(STDOUT, json.dumps(asdict(outcome)).encode())
    os._exit(0)  # a library's threads must not delay the exit


def send(job: Job) -> Outcome:
    import apprise  # noqa: PLC0415 -- a third of a second, needed here alone

    refused: list[Failed] = []
    guard(Policy(job.networks), refused)
    service = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
    if not service.add(job.url):
        return Outcome(code="channel_apprise_url_invalid")
    if not job.body:
        return Outcome()
    try:
        result = service.notify(
            job.body, job.title, notify_type=job.level, body_format="text"
        )
    except MemoryError:
        return Outcome(code="apprise_failed", passing=True)
    if result:
        return Outcome()
    if refused:
        return Outcome(code=refused[0].code, params=dict(refused[0].params))
    found = STATUS.findall(" ".join(str(entry) for entry in result.logs()))
    status = int(found[-1]) if found else None
    return Outcome(code="apprise_failed", status=status, passing=True)


def guard(policy: Policy, refused: list[Failed]) -> None:
    """From now on, this process connects to admitted addresses only, starts no program
    and opens no file but Python's."""
    folders = tuple(readable())

    def check(host: str, port: int) -> None:
        try:
            policy.check(host, port)
        except ValueError:  # a name, which would be resolved unchecked
            raise Refused from None
        except Failed as failure:
            refused.append(failure)
            raise

    def on_event(event: str, args: tuple[Any, ...]) -> None:
        if event in STARTS_PROGRAMS:
            raise Refused
        if event == "open" and isinstance(args[0], str | bytes):
            path = Path(os.fsdecode(args[0])).resolve()
            if not any(path.is_relative_to(folder) for folder in folders):
                raise Refused

    watch(check)
    sys.addaudithook(on_event)


def readable() -> Iterator[Path]:
    """Not the working directory: the platform's data may be below it."""
    here = Path.cwd()
    for text in (sys.prefix, sys.base_prefix, *sys.path, *READABLE):
        if text and (folder := Path(text).resolve()) != here:
            yield folder


if __name__ == "__main__":
    main()
