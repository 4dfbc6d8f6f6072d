import os
import socket
from pathlib import Path

import pytest

from runtimes.frameworks.llamacpp.model_file import check_model_file

GGUF = b"GGUF\x03\0\0\0"


@pytest.fixture
def roots(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.gguf").write_bytes(GGUF)
    return [tmp_path / "models", tmp_path / "more"]


def code_of(path, roots):
    problem = check_model_file(str(path), roots)
    return problem and problem.code


@pytest.mark.parametrize("name", ["smol.gguf", "model.bin", "деревня.gguf"])
def test_good_file_is_accepted_whatever_its_name(roots, name):
    (roots[0] / name).write_bytes(GGUF)
    assert check_model_file(str(roots[0] / name), roots) is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        *((b"", "not_gguf"), (b"GGU", "not_gguf"), (b"PK\3\4", "not_gguf")),
        (b"version https://git-lfs.github.com/spec/v1\n", "lfs_pointer"),
        (GGUF, None),
    ],
)
def test_first_bytes_decide(roots, content, code):
    (roots[0] / "m.gguf").write_bytes(content)
    assert code_of(roots[0] / "m.gguf", roots) == code


def test_a_root_that_leads_nowhere_takes_nothing_from_the_others(roots):
    (roots[0] / "m.gguf").write_bytes(GGUF)
    roots[1].symlink_to(roots[1])
    assert code_of(roots[0] / "m.gguf", roots[::-1]) is None
    assert code_of(roots[1] / "m.gguf", roots) == "file_missing"


def test_missing_file_is_named(roots):
    problem = check_model_file(str(roots[0] / "nope.gguf"), roots)
    assert problem.code == "file_missing"
    assert problem.field == "config.model_path"
    assert problem.params == {"path": str(roots[0] / "nope.gguf")}


@pytest.mark.parametrize("name", ["secret.gguf", "nothing-there.gguf"])
def test_outside_the_roots_nothing_is_revealed(roots, tmp_path, name):
    problem = check_model_file(str(tmp_path / "outside" / name), roots)
    assert problem.code == "path_outside_roots"
    assert problem.params["roots"] == [str(root) for root in roots]


@pytest.mark.parametrize(
    "path",
    ["", "models/smol.gguf", "{root}/../outside/secret.gguf", "{root}-other/x.gguf"],
)
def test_path_that_leaves_the_roots_is_outside(roots, path):
    path = path.format(root=roots[0])
    assert code_of(path, roots) == "path_outside_roots"


def test_links_are_followed_before_the_roots_are_compared(roots, tmp_path):
    (roots[0] / "link.gguf").symlink_to(tmp_path / "outside" / "secret.gguf")
    (tmp_path / "more").symlink_to(tmp_path / "outside")
    assert code_of(roots[0] / "link.gguf", roots[:1]) == "path_outside_roots"
    assert code_of(roots[1] / "secret.gguf", roots) is None


def test_loop_of_links_is_no_crash(roots):
    (roots[0] / "a").symlink_to(roots[0] / "b")
    (roots[0] / "b").symlink_to(roots[0] / "a")
    assert code_of(roots[0] / "a", roots) == "file_missing"


def test_folder_fifo_and_socket_are_not_files(roots):
    os.mkfifo(roots[0] / "fifo")
    (roots[0] / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(roots[0] / "socket"))
        codes = [code_of(roots[0] / n, roots) for n in ("fifo", "folder", "socket")]
    assert codes == ["not_a_file"] * 3


def test_file_that_cannot_be_read_is_reported():
    # Nobody, root neither, reads the first byte of a process's memory.
    assert code_of("/proc/self/mem", [Path("/proc")]) == "file_unreadable"


def test_file_inside_a_file_is_missing(roots):
    (roots[0] / "m.gguf").write_bytes(GGUF)
    assert code_of(roots[0] / "m.gguf" / "x", roots) == "file_missing"


def test_name_longer_than_the_file_system_takes_is_no_crash(roots):
    problem = check_model_file(str(roots[0] / ("x" * 5000)), roots)
    assert problem.code in {"file_missing", "file_unreadable"}
    assert len(problem.params["path"]) == 255


@pytest.mark.parametrize("bad", ["nul\0.gguf", "half-\ud800.gguf"])
def test_impossible_names_are_missing_and_can_be_shown(roots, bad):
    problem = check_model_file(f"{roots[0]}/{bad}", roots)
    assert problem.code == "file_missing"
    problem.params["path"].encode()


def parts_of_three(folder, *present):
    names = [f"m-{at:05}-of-00003.gguf" for at in (1, 2, 3)]
    for at in present:
        (folder / names[at]).write_bytes(GGUF)
    return [folder / name for name in names]


def test_all_parts_have_to_be_there(roots):
    paths = parts_of_three(roots[0], 0, 1)
    problem = check_model_file(str(paths[0]), roots)
    assert problem.code == "file_missing"
    assert problem.params == {"path": str(paths[2])}
    parts_of_three(roots[0], 2)
    assert code_of(paths[0], roots) is None


def test_first_part_is_named_to_who_gives_another(roots):
    paths = parts_of_three(roots[0], 0, 1, 2)
    problem = check_model_file(str(paths[1]), roots)
    assert (problem.code, problem.params["first"]) == ("gguf_not_first", str(paths[0]))


def test_no_part_may_lie_outside_the_roots(roots, tmp_path):
    paths = parts_of_three(roots[0], 0, 2)
    paths[1].symlink_to(tmp_path / "outside" / "secret.gguf")
    assert code_of(paths[0], roots) == "path_outside_roots"
