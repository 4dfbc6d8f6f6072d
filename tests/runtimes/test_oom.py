"""An engine that the kernel kills for its memory: in a control group of its own, where
this machine lets one be made."""

import contextlib
import uuid
from pathlib import Path

import pytest

from runtimes import shim
from runtimes.frameworks.base import Exit
from tests.runtimes.processes import a_uid, ended, python, shell, until

CGROUPS = Path("/sys/fs/cgroup")
LIMITS = {
    CGROUPS / "memory": "memory.limit_in_bytes",
    CGROUPS: "memory.max",
}
GREEDY = "x = []\nwhile True: x.append(bytearray(1 << 20))"
ENTER = "import os; open({path!r}, 'w').write(str(os.getpid()))\n"


def made() -> Path | None:
    """A group of 64 MiB; None: not here."""
    for parent, limit in LIMITS.items():
        group = parent / f"llmplatform-{uuid.uuid4().hex}"
        with contextlib.suppress(OSError):
            group.mkdir()
            if (group / limit).exists():
                (group / limit).write_text(str(64 << 20))
                return group
            group.rmdir()
    return None


def possible() -> bool:
    group = made()
    if group:
        group.rmdir()
    return group is not None


@pytest.fixture(params=["cgroup"] if possible() else [])
def group():
    group = made()
    yield group
    until(lambda: removed(group))


def removed(group: Path) -> bool:
    """The kernel needs a moment to notice that a group is empty."""
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def test_engine_killed_for_its_memory_says_so(driver, group):
    enter = ENTER.format(path=str(group / "cgroup.procs"))
    handle = driver.start(a_uid(), python(enter + GREEDY))
    exit = ended(driver, handle)
    assert exit == Exit(code=None, signal=9, oom=True)


def test_kills_of_long_ago_do_not_count():
    kills = shim.OomKills()
    kills.before = kills.last = shim.oom_kills() - 1
    assert kills.any
    kills.count()
    assert kills.any
    for _ in range(2):
        kills.counted_at -= shim.OOM_MEMORY_MS / 1000
        kills.count()
    assert not kills.any


def test_kill_by_hand_is_none_for_memory(driver):
    handle = driver.start(a_uid(), shell("kill -KILL $$"))
    assert ended(driver, handle) == Exit(code=None, signal=9)


def test_kernel_counts_its_kills():
    counted = dict(
        line.split() for line in Path("/proc/vmstat").read_text().splitlines()
    )
    assert shim.oom_kills() == int(counted.get("oom_kill", 0))
