"""An engine that the kernel kills for its memory: in a control group of its own, where
this machine lets one be made."""

import contextlib
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from runtimes import proc, shim_memory
from runtimes.frameworks.base import Exit
from tests.runtimes.processes import a_uid, ended, shell, until
from tests.runtimes.test_shim import START_SHIM, a_run_dir

CGROUPS = Path("/sys/fs/cgroup")
LIMITS = {
    CGROUPS / "memory": "memory.limit_in_bytes",
    CGROUPS: "memory.max",
}
GREEDY = "x = []\nwhile True: x.append(bytearray(1 << 20))"
# What is started there is limited from its start.
THERE = ("/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"')


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


def test_engine_killed_for_its_memory_is_recorded(tmp_path, group):
    greedy = f'exec {sys.executable} -S -c "{GREEDY}"'
    run_dir = a_run_dir(tmp_path, greedy)
    subprocess.run([*THERE, group, *START_SHIM, run_dir], check=True)
    left = json.loads(until(lambda: proc.text_of(run_dir / "exit.json"), 20))
    assert (left["code"], left["signal"], left["oom"]) == (None, 9, True)


def test_only_kills_of_its_own_group_count(group):
    elsewhere = shim_memory.OomKills(os.getpid())
    done = subprocess.run([*THERE, group, sys.executable, "-S", "-c", GREEDY])
    assert done.returncode == -9
    assert not elsewhere.any


def test_kills_of_long_ago_do_not_count():
    kills = shim_memory.OomKills(os.getpid())
    kills.before = kills.last = shim_memory.oom_kills(kills.counter) - 1
    assert kills.any
    kills.count()
    assert kills.any
    for _ in range(2):
        kills.counted_at -= shim_memory.OOM_MEMORY_MS / 1000
        kills.count()
    assert not kills.any


def test_kill_by_hand_is_none_for_memory(driver):
    handle = driver.start(a_uid(), shell("kill -KILL $$"))
    assert ended(driver, handle) == Exit(code=None, signal=9)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", 3),
        ("low 0\noom 4\noom_kill 2\noom_group_kill 9\n", 2),
        ("nr_free_pages 8\n", 0),
        ("", 0),
    ],
)
def test_kernels_counters_are_read(tmp_path, text, count):
    path = tmp_path / "counter"
    path.write_text(text)
    assert shim_memory.oom_kills(str(path)) == count


def test_process_that_is_gone_is_counted_with_the_machine():
    assert shim_memory.oom_counter(2**22 + 1) == "/proc/vmstat"
