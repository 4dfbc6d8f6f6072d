from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep

import pytest

from runtimes.library import cache
from runtimes.library.cache import (
    cached_scan,
    filter_entries,
    find_entry,
    models_by_path,
)
from tests import builders
from tests.runtimes.library.folders import a_folder, a_model


def test_scan_is_kept_until_it_is_requested_again(root):
    assert cached_scan().result.entries == ()
    path = a_model(root / "m.gguf")
    assert find_entry(str(path)) is None
    assert len(cached_scan(refresh=True).result.entries) == 1
    assert find_entry(str(path)).path == str(path)


def test_scan_of_other_folders_is_not_kept(root, settings, tmp_path):
    a_model(root / "m.gguf")
    assert len(cached_scan().result.entries) == 1
    settings.MODEL_ROOTS = [tmp_path / "others"]
    assert cached_scan().result.entries == ()
    assert cached_scan().roots == (str(tmp_path / "others"),)


def test_those_who_ask_at_once_get_the_same_scan(root):
    a_model(root / "m.gguf")
    with ThreadPoolExecutor(4) as pool:
        shelves = [*pool.map(lambda _: cached_scan(), range(4))]
    assert {id(each) for each in shelves} == {id(shelves[0])}


def test_those_who_wait_for_a_new_scan_get_the_same_one(root):
    old = cached_scan()
    here = Barrier(5)

    def scan_again(_):
        here.wait()
        return cached_scan(refresh=True)

    with ThreadPoolExecutor(4) as pool:
        with cache._lock:
            waiting = [pool.submit(scan_again, number) for number in range(4)]
            here.wait()
            sleep(0.2)  # until all of them wait for the lock
        shelves = [each.result() for each in waiting]
    assert {id(each) for each in shelves} == {id(shelves[0])} != {id(old)}


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({}, ["Alpha-Q4", "Beta", "hf"]),
        ({"framework": "vllm"}, ["hf"]),
        ({"framework": "other"}, []),
        ({"search": "BETA"}, ["Beta"]),
        ({"search": "llama q4_k"}, ["Alpha-Q4", "Beta"]),
        ({"search": "llamaforcausal"}, ["hf"]),
        ({"search": "alpha vllm"}, []),
    ],
)
def test_entries_are_filtered(root, filters, titles):
    a_model(root / "Alpha-Q4.gguf")
    a_model(root / "Beta.gguf")
    a_folder(root / "hf")
    chosen = filter_entries(cached_scan().result.entries, **filters)
    assert [entry.candidate.title for entry in chosen] == titles


@pytest.mark.django_db
def test_models_that_serve_an_entry(root):
    path = a_model(root / "m.gguf")
    folder = a_folder(root / "hf")
    (root / "link").symlink_to(root)
    builders.a_model("direct", config={"model_path": str(path)})
    builders.a_model("by-link", config={"model_path": str(root / "link/m.gguf")})
    builders.a_model("hf", framework="vllm", config={"model_name": str(folder)})
    builders.a_model("hub", framework="vllm", config={"model_name": "org/name"})
    builders.a_model("odd", config={"model_path": 7})
    names = {
        path.removeprefix(f"{root}/"): [model.name for model in models]
        for path, models in models_by_path(cached_scan().result.entries).items()
    }
    assert names == {"hf": ["hf"], "m.gguf": ["by-link", "direct"]}
