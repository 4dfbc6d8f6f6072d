import os

import pytest

from runtimes.library.scanner.scan import read_all
from runtimes.library.scanner.walk import Limits, Walk
from tests.runtimes.library.folders import (
    FRAMEWORKS,
    a_folder,
    a_model,
    listed,
    problems,
    scanned,
)


def test_hidden_files_and_folders_are_left_out(tmp_path):
    a_model(tmp_path / ".cache/m.gguf")
    a_model(tmp_path / "llm/.m.gguf.part/m.gguf")
    a_model(tmp_path / "llm/._m.gguf")
    assert (listed(tmp_path), problems(tmp_path)) == ({}, [])


def test_other_files_are_left_out(tmp_path):
    for name in ("m.gguf.part", "m.txt", "gguf", "config.json"):
        a_model(tmp_path / name)
    (tmp_path / "folder.gguf").mkdir()
    os.mkfifo(tmp_path / "pipe.gguf")
    assert listed(tmp_path) == {}


def test_link_to_a_file_inside_is_listed(tmp_path):
    """As in a hub's cache: what it points at has no name of its own."""
    a_model(tmp_path / "blobs/0a1b")
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot/m.gguf").symlink_to("../blobs/0a1b")
    assert listed(tmp_path)["snapshot/m.gguf"].addable


def test_folder_of_links_is_listed(tmp_path):
    a_folder(tmp_path / "blobs")
    for path in [*(tmp_path / "blobs").iterdir()]:
        link = tmp_path / "models--org--m/snapshots/0a" / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    assert listed(tmp_path)["models--org--m/snapshots/0a"].addable


def test_links_that_lead_out_are_reported_and_not_followed(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    a_model(outside / "secret.gguf")
    a_folder(outside / "folder")
    (root / "file.gguf").symlink_to(outside / "secret.gguf")
    (root / "folder").symlink_to(outside)
    (root / "note.txt").symlink_to("/etc/hostname")
    assert listed(root) == {}
    found = problems(root)
    assert sorted(found) == [("link_outside", "file.gguf"), ("link_outside", "folder")]


def test_link_to_another_model_folder_is_inside(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    a_model(second / "m.gguf")
    first.mkdir()
    (first / "m.gguf").symlink_to(second / "m.gguf")
    (first / "all").symlink_to(second)
    found = [entry.path for entry in scanned(first, second).entries]
    assert found == [str(first / "m.gguf"), str(second / "m.gguf")]


def test_loops_of_links_end(tmp_path):
    a_model(tmp_path / "a/m.gguf")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/itself.gguf").symlink_to("itself.gguf")
    assert [*listed(tmp_path)] == ["a/m.gguf"]
    assert problems(tmp_path) == [("file_unreadable", "a/itself.gguf")]


def test_model_folder_that_is_a_loop_hinders_no_other(tmp_path):
    root, loop = tmp_path / "root", tmp_path / "loop"
    loop.symlink_to(loop)
    a_model(root / "real/m.gguf")
    (root / "link.gguf").symlink_to("real/m.gguf")
    found = scanned(root, loop)
    assert len(found.entries) == 2
    assert [problem.code for problem in found.problems] == ["folder_unreadable"]


def test_link_to_nowhere_is_reported(tmp_path):
    (tmp_path / "gone.gguf").symlink_to("nowhere.gguf")
    assert problems(tmp_path) == [("file_missing", "gone.gguf")]


def test_model_folder_inside_another_is_listed_once(tmp_path):
    a_model(tmp_path / "in/m.gguf")
    assert len(scanned(tmp_path, tmp_path / "in", tmp_path).entries) == 1


def test_model_folder_that_is_a_link(tmp_path):
    a_model(tmp_path / "real/m.gguf")
    (tmp_path / "link").symlink_to("real")
    entry = listed(tmp_path / "link")["m.gguf"]
    assert entry.path == str(tmp_path / "link/m.gguf")
    assert entry.addable


def test_missing_model_folder_is_reported(tmp_path):
    found = problems(tmp_path / "no", tmp_path)
    assert found == [("folder_missing", str(tmp_path / "no"))]
    a_model(tmp_path / "file.gguf")
    assert problems(tmp_path / "file.gguf")[0][0] == "folder_unreadable"


def test_folders_beyond_the_depth_are_reported(tmp_path):
    a_model(tmp_path / "a/b/m.gguf")
    a_model(tmp_path / "a/b/c/m.gguf")
    limits = Limits(depth=2)
    assert problems(tmp_path, limits=limits) == [("folders_too_deep", "a/b")]
    assert len(scanned(tmp_path, limits=limits).entries) == 1


def test_very_deep_folders_end(tmp_path):
    place = tmp_path
    for _ in range(100):
        place = place / "d"
        place.mkdir()
    assert [code for code, _ in problems(tmp_path)] == ["folders_too_deep"]


@pytest.mark.parametrize(
    ("limits", "count", "cut"),
    [
        (Limits(entries=5), 0, [""]),
        (Limits(entries=15), 5, ["f"]),
        (Limits(entries=20), 10, []),
        (Limits(seconds=-1), 0, [""]),
    ],
)
def test_scan_that_is_cut_names_the_place(tmp_path, limits, count, cut):
    for name in "abcdefghij":
        a_model(tmp_path / name / "m.gguf")
    found = scanned(tmp_path, limits=limits)
    assert len(found.entries) == count
    places = [str(tmp_path / place) for place in cut]
    assert [problem.params["path"] for problem in found.problems] == places


def test_large_folder_is_cut(tmp_path):
    for number in range(20):
        a_model(tmp_path / f"{number}.gguf")
    found = scanned(tmp_path, limits=Limits(entries=10))
    assert (len(found.entries), found.problems[0].code) == (10, "scan_cut")


def test_scan_goes_on_where_time_ran_out(tmp_path):
    """What was read before costs nothing, so each scan comes further."""
    for name in "ab":
        a_model(tmp_path / f"{name}.gguf")
    walk = Walk(roots=[tmp_path], suffixes=(".gguf",), limits=Limits(seconds=-1))
    everything = scanned(tmp_path).entries
    assert read_all([e.candidate for e in everything], walk, FRAMEWORKS) == {}
    assert [problem.code for problem in walk.problems] == ["scan_cut"]
    again = scanned(tmp_path, known=everything[:1])
    assert again.entries[0] is everything[0]
    assert [entry.candidate.title for entry in again.entries] == ["a", "b"]


def test_problems_beyond_the_listed_ones_are_counted(tmp_path):
    for number in range(60):
        (tmp_path / f"{number}.gguf").symlink_to("/etc/hostname")
    found = scanned(tmp_path)
    assert (len(found.problems), found.more_problems) == (50, 10)
