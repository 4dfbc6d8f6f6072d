import os

import pytest

from tests import builders
from tests.api import client_of, codes, operator
from tests.builders import a_user
from tests.gguf import a_gguf
from tests.runtimes.library.folders import a_folder, a_model, in_parts, put

pytestmark = pytest.mark.django_db

LIBRARY = "/api/library"
SCAN = "/api/library/scan"


@pytest.fixture
def viewer():
    return client_of(a_user("viewer"))


def test_entry_has_all_that_is_known(root, viewer):
    path = a_model(root / "Tiny.Q4_K_M.gguf")
    builders.a_model("chat", config={"model_path": str(path)})
    answer = viewer.get(LIBRARY).json()
    assert (answer["count"], answer["next"], answer["previous"]) == (1, None, None)
    [entry] = answer["results"]
    memory = {entry.pop(name) > 0 for name in ("memory_mib", "gpu_memory_mib")}
    assert memory == {True}
    assert entry == {
        "path": str(path),
        "title": "Tiny.Q4_K_M",
        "framework": "llama.cpp",
        "kind": "model",
        "model_kind": "completion",
        "size_bytes": path.stat().st_size,
        "architecture": "llama",
        "quantisation": "Q4_K_M",
        "context_length": 4096,
        "parameters": 1800,
        "config": {"model_path": str(path), "n_ctx": 2048},
        "problem": None,
        "models": ["chat"],
    }


def test_entry_can_be_posted_as_a_model(root):
    a_model(root / "tiny.gguf")
    client = operator()
    [entry] = client.get(LIBRARY).json()["results"]
    same = {name: entry[name] for name in ("framework", "config", "memory_mib")}
    answer = client.post("/api/models", {"name": "tiny", **same}, format="json")
    assert answer.status_code == 201


def test_problem_has_code_and_message(root, viewer):
    in_parts(root, 1)
    [entry] = viewer.get(LIBRARY, headers={"Accept-Language": "zh-hans"}).json()[
        "results"
    ]
    assert entry["problem"]["code"] == "file_missing"
    assert entry["problem"]["message"].startswith("文件")
    assert entry["problem"].keys() == {"code", "params", "message", "advice"}
    assert entry["problem"]["advice"].startswith("请")
    assert entry["config"] is None


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("?framework=vllm", 1),
        ("?framework=none", 0),
        ("?search=tiny%20q4", 2),
        ("?search=llamafor&framework=vllm", 1),
        ("?page_size=2", 3),
    ],
)
def test_list_is_filtered(root, viewer, query, count):
    a_model(root / "tiny-1.gguf")
    a_model(root / "tiny-2.gguf")
    a_folder(root / "folder")
    assert viewer.get(LIBRARY + query).json()["count"] == count


def test_pages_are_bounded(root, viewer):
    for number in range(60):
        a_model(root / f"{number:02}.gguf")
    first = viewer.get(LIBRARY).json()
    assert (first["count"], len(first["results"])) == (60, 50)
    last = viewer.get(f"{LIBRARY}?page=2").json()
    assert last["results"][0]["title"] == "50"
    assert viewer.get(f"{LIBRARY}?page=3").status_code == 404


def test_long_search_is_refused(root, viewer):
    answer = viewer.get(f"{LIBRARY}?search={'x' * 201}")
    assert (answer.status_code, codes(answer)) == (400, [("search", "search_too_long")])


def test_name_that_is_not_utf8_can_be_shown(root, viewer):
    put(root / os.fsdecode(b"\xff.gguf"), a_gguf())
    [entry] = viewer.get(LIBRARY).json()["results"]
    assert entry["path"] == f"{root}/?.gguf"
    assert entry["problem"]["code"] == "wrong_type"


def test_scan_lists_folders_and_what_was_left_out(root, settings, viewer):
    settings.MODEL_ROOTS = [root, root / "none"]
    scan = viewer.get(SCAN).json()
    assert scan["folders"] == [str(root), str(root / "none")]
    assert [each["code"] for each in scan["troubles"]] == ["folder_missing"]
    assert scan["more_troubles"] == 0
    assert scan["seconds"] < 10


def test_new_scan_finds_what_is_new(root):
    client = operator()
    before = client.get(SCAN).json()["scanned_at"]
    a_model(root / "tiny.gguf")
    assert client.get(LIBRARY).json()["count"] == 0
    assert client.post(SCAN).json()["scanned_at"] > before
    assert client.get(LIBRARY).json()["count"] == 1
