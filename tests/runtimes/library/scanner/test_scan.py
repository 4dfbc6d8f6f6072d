import os
import struct
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.demo import packaged_file
from runtimes.library.scanner.entries import Entry
from runtimes.library.scanner.scan import scan
from tests.gguf import LLAMA, TENSORS, a_gguf, text
from tests.runtimes.library.folders import (
    CONFIG,
    FRAMEWORKS,
    a_folder,
    a_model,
    listed,
    put,
    safetensors,
    scanned,
)

HUGE = 2**60
START = b"GGUF" + struct.pack("<I", 3)
ONE_VALUE = START + struct.pack("<QQ", 0, 1)


def only(root) -> Entry:
    [entry] = listed(root).values()
    return entry


def test_embedding_model_comes_with_its_flag(tmp_path):
    a_model(tmp_path / "m.gguf", **{"llama.pooling_type": 1})
    assert only(tmp_path).model_kind == "embedding"
    assert only(tmp_path).config["embedding"] is True


def test_known_entries_are_not_read_again(tmp_path):
    path = a_model(tmp_path / "m.gguf")
    first = scanned(tmp_path)
    again = scanned(tmp_path, known=first.entries)
    assert again.entries[0] is first.entries[0]
    path.write_bytes(a_gguf({**LLAMA, "llama.context_length": 8192, "more": 1}))
    assert scanned(tmp_path, known=first.entries).entries[0].context == 8192


def test_entry_of_a_folder_is_read_again_once_a_shard_is_there(tmp_path):
    a_folder(tmp_path / "m", README=b"")
    first = scanned(tmp_path)
    assert first.entries[0].problem
    put(tmp_path / "m/model.safetensors", safetensors())
    assert scanned(tmp_path, known=first.entries).entries[0].addable


def test_entries_come_by_path_and_only_of_known_frameworks(tmp_path):
    a_model(tmp_path / "b.gguf")
    a_model(tmp_path / "a/c.gguf")
    a_folder(tmp_path / "hf")
    only = {"llama.cpp": FRAMEWORKS["llama.cpp"]}
    found = [entry.path for entry in scan([tmp_path], only).entries]
    assert found == [str(tmp_path / "a/c.gguf"), str(tmp_path / "b.gguf")]


def test_demo_model_is_reported():
    [entry] = scanned(packaged_file().parent).entries
    assert (entry.architecture, entry.quantisation) == ("llama", "Q4_1")
    assert (entry.context, entry.parameters) == (8192, 134_515_008)
    assert 500 < entry.memory_mib < 700


def test_real_headers_are_read_fast(tmp_path):
    """10 ms each; a busy or slow machine takes some times that."""
    for number in range(100):
        (tmp_path / f"{number}.gguf").symlink_to(packaged_file())
    began = time.process_time()
    found = scan([tmp_path, packaged_file().parent], FRAMEWORKS)
    assert time.process_time() - began < 10
    assert all(entry.addable for entry in found.entries)
    assert len(found.entries) == 101


def test_files_that_end_early_are_reported(tmp_path):
    whole = a_gguf()
    for end in range(0, len(whole) - TENSORS[-1][2] + 1, 7):
        put(tmp_path / f"{end:04}.gguf", whole[:end])
    for entry in listed(tmp_path).values():
        assert entry.problem.code in {"gguf_truncated", "gguf_broken", "not_gguf"}
        assert not entry.addable


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_gguf"),
        (b"PK\3\4" + bytes(99), "not_gguf"),
        (b"version https://git-lfs.github.com/spec/v1\noid 1\n", "lfs_pointer"),
        (b"GGUF" + bytes(99), "gguf_broken"),
        (START + struct.pack("<QQ", HUGE, 0), "gguf_broken"),
        (START + struct.pack("<QQ", 0, HUGE), "gguf_broken"),
        (ONE_VALUE + struct.pack("<Q", HUGE), "gguf_broken"),
        (ONE_VALUE + text("k") + struct.pack("<IIQ", 9, 0, HUGE), "gguf_truncated"),
        (a_gguf({}), "gguf_lacks"),
        (a_gguf({"general.architecture": "flux"}), "gguf_lacks"),
        (a_gguf({**LLAMA, "llama.block_count": 2**31}), "gguf_value"),
        (a_gguf(tensors=[("t", HUGE, 64)]), "gguf_broken"),
    ],
)
def test_hostile_file_is_listed_with_its_problem(tmp_path, content, code):
    put(tmp_path / "m.gguf", content)
    entry = only(tmp_path)
    assert (entry.problem.code, entry.addable) == (code, False)


@given(data=st.data())
def test_changed_bytes_give_an_entry(tmp_path_factory, data):
    content = bytearray(a_gguf())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    root = tmp_path_factory.mktemp("changed")
    put(root / "m.gguf", bytes(content))
    assert only(root).candidate.size == len(content)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_position_embeddings": HUGE},
        {"max_position_embeddings": "many"},
        {"max_position_embeddings": -1},
        {"architectures": "x" * 100_000},
        {"architectures": [["x"]] * 1000},
        {"architectures": ["<script>" * 10_000]},
        {"num_hidden_layers": HUGE, "hidden_size": HUGE},
        {"num_attention_heads": 0, "num_key_value_heads": 0},
        {"quantization_config": "q", "torch_dtype": 7},
        {"text_config": {"max_position_embeddings": None}},
    ],
)
def test_config_that_lies_gives_an_entry(tmp_path, changes):
    a_folder(tmp_path / "m", {**CONFIG, **changes})
    entry = only(tmp_path)
    assert len(entry.architecture) <= 100
    assert entry.context >= 0
    assert entry.config.get("max_model_len", 1) in (1, 4096)


def test_config_of_ten_megabytes_takes_no_memory(tmp_path):
    put(tmp_path / "m/config.json", '{"a": "' + "x" * 10_000_000 + '"}')
    put(tmp_path / "m/model.safetensors", safetensors())
    tracemalloc.start()
    try:
        assert only(tmp_path).problem.code == "bad_model_config"
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "addable"),
    [
        (b"two\nlines.gguf", True),
        (b"<b>bold.gguf", True),
        ("模型.gguf".encode(), True),
        (b"a..b.gguf", True),
        (b"\x1b[31m.gguf", True),
        (b"\xff\xfe.gguf", False),
    ],
)
def test_odd_names_are_listed(tmp_path, name, addable):
    path = put(tmp_path / os.fsdecode(name), a_gguf())
    entry = only(tmp_path)
    assert (entry.path, entry.addable) == (str(path), addable)
    assert addable or entry.problem.code == "wrong_type"
