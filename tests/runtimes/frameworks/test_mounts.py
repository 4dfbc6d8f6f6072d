import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import psutil
import pytest

from runtimes.frameworks.mounts import TOUCH, Mounts, mounts
from runtimes.frameworks.paths import resolve_inside, responding
from tests import hung_mount
from tests.runtimes.processes import until


def probes() -> list[psutil.Process]:
    """That have not ended."""
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and TOUCH in child.cmdline()
    ]


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "a/../../b", "missing/x", "\0", "\ud800", "a" * 5000, "/", "/proc"],
)
def test_paths_elsewhere_respond(tmp_path, path):
    assert Mounts().hung(tmp_path / path) == ""
    assert Mounts().hung(path) == ""


def test_loops_of_links_end(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a").symlink_to("b/x")
    (tmp_path / "b").symlink_to("a/x")
    assert [Mounts().hung(tmp_path / name) for name in ("loop", "a")] == ["", ""]


@pytest.mark.parametrize(
    "path",
    [
        *("hung", "hung/x/y.gguf", "good/../hung/x", "missing/../hung"),
        *("absolute", "absolute/x", "relative/x", "chain/x"),
    ],
)
def test_paths_that_lead_to_a_hung_mount(hung_root, path):
    here = hung_root.parent
    (here / "absolute").symlink_to(hung_root)
    (here / "relative").symlink_to("good/../hung")
    (here / "chain").symlink_to("relative")
    assert mounts.hung(here / path) == str(hung_root)
    assert mounts.hung(os.path.relpath(here / path)) == str(hung_root)


def test_names_with_spaces(hung_root, tmp_path):
    place = tmp_path / "two words"
    place.mkdir()
    with hung_mount.hung(place):
        assert mounts.hung(place / "x") == str(place)


def test_a_mount_blocks_one_process_however_many_wait(hung_root):
    started_at = monotonic()
    with ThreadPoolExecutor(8) as pool:
        found = {*pool.map(mounts.hung, [hung_root / str(n) for n in range(50)])}
    assert found == {str(hung_root)}
    assert len(probes()) == 1
    assert monotonic() - started_at < 20  # in turn they would take 25 s


def test_a_mount_that_goes_on_is_used_again(hung_root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with hung_mount.hung(other):
        assert mounts.hung(other) == str(other)
    until(lambda: mounts.hung(other) == "")
    until(lambda: len(probes()) == 1)  # of the other one


def test_folders_that_respond(hung_root):
    good = hung_root.with_name("good")
    assert responding([hung_root, good, Path("/nowhere")]) == [good, Path("/nowhere")]


@pytest.mark.parametrize(
    ("roots", "code"),
    [
        (["hung"], "mount_not_responding"),
        (["hung/below"], "mount_not_responding"),
        (["."], "mount_not_responding"),
        (["link"], "mount_not_responding"),
        (["good"], "path_outside_roots"),  # nothing is disclosed
    ],
)
def test_path_on_a_hung_mount(hung_root, roots, code):
    here = hung_root.parent
    (here / "link").symlink_to(hung_root)
    folders = [here / root for root in roots]
    problem = resolve_inside(str(hung_root / "below/m.gguf"), folders, "field")
    assert problem.code == code


def test_hung_root_takes_nothing_from_the_others(hung_root):
    good = hung_root.with_name("good")
    (good / "m.gguf").write_bytes(b"")
    found = resolve_inside(str(good / "m.gguf"), [hung_root, good], "field")
    assert found == (good / "m.gguf").resolve()
