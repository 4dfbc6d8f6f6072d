import os
import struct
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.frameworks.llamacpp.gguf import BadGguf, read_header
from tests.gguf import LLAMA, TENSORS, a_gguf, text

HUGE = 2**60
START = b"GGUF" + struct.pack("<I", 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.gguf"


def read(path, content):
    path.write_bytes(content)
    return read_header(path)


def code_of(path, content):
    with pytest.raises(BadGguf) as caught:
        read(path, content)
    problem = caught.value.problem
    assert problem.field == "config.model_path"
    assert problem.params["path"] == str(path)
    return problem.code, problem.params.get("what")


def test_header_is_read(path):
    header = read(path, a_gguf())
    numbers = {k: v for k, v in LLAMA.items() if not isinstance(v, list)}
    assert header.values == numbers
    assert header.lengths == {"tokenizer.ggml.tokens": 3}
    assert [(t.name, t.elements, t.bytes) for t in header.tensors] == [*TENSORS]


@pytest.mark.parametrize("value", [7, True, 1.5, "text", "", [1, 2], [True, False]])
def test_values_of_all_kinds_are_read(path, value):
    header = read(path, a_gguf({"key": value, "next": 1}))
    kept = tuple(value) if isinstance(value, list) else value
    assert header.values == {"key": kept, "next": 1}


def test_long_arrays_are_counted_only(path):
    header = read(path, a_gguf({"types": [1] * 100_000, "next": 1}))
    assert header.values == {"next": 1}
    assert header.lengths == {"types": 100_000}


def test_real_model_is_read_fast(model):
    began = time.process_time()
    header = read_header(model)
    assert time.process_time() - began < 5
    assert header.lengths["tokenizer.ggml.tokens"] == 49_152
    assert sum(tensor.bytes for tensor in header.tensors) == 96_576_768


def test_file_that_ends_early_is_reported_wherever_it_ends(path):
    whole = a_gguf()
    data = sum(size for *_, size in TENSORS)
    last = TENSORS[-1][2]
    for end in [*range(4, len(whole) - data), len(whole) - last]:
        assert code_of(path, whole[:end])[0] == "gguf_truncated", end


def test_file_that_ends_within_a_large_tensor_is_reported_as_cut_short(path):
    whole = a_gguf(tensors=[("t", 64_000, 32_000), ("u", 64, 32)])
    assert code_of(path, whole[: len(whole) - 32_000])[0] == "gguf_truncated"


def counts(tensors, values) -> bytes:
    return START + struct.pack("<QQ", tensors, values)


@pytest.mark.parametrize(
    ("content", "code", "what"),
    [
        (b"", "gguf_truncated", None),
        (b"PK\3\4" + bytes(99), "not_gguf", None),
        (b"GGUF" + struct.pack(">I", 3) + bytes(99), "gguf_broken", "version"),
        (counts(HUGE, 0) + bytes(99), "gguf_broken", "tensor_count"),
        (counts(30_000, 0) + bytes(99), "gguf_broken", "tensor_count"),
        (counts(0, HUGE) + bytes(99), "gguf_broken", "value_count"),
        (counts(0, 99_999) + bytes(99), "gguf_truncated", None),
        (counts(0, 1) + struct.pack("<Q", HUGE), "gguf_broken", "text"),
        (counts(0, 1) + text("k") + struct.pack("<I", 99), "gguf_broken", "value_type"),
        *(
            (
                counts(0, 1) + text("k") + struct.pack("<IIQ", 9, kind, length),
                code,
                what,
            )
            for kind, length, code, what in [
                (0, HUGE, "gguf_truncated", None),
                (8, HUGE, "gguf_broken", "array_length"),
                (8, 4_000_000, "gguf_truncated", None),
                (9, 1, "gguf_broken", "value_type"),
            ]
        ),
        (
            counts(1, 0) + text("t") + struct.pack("<IQ", 2**31, 1),
            "gguf_broken",
            "dimensions",
        ),
        (a_gguf(tensors=[("t" * 300, 1, 64)]), "gguf_broken", "text"),
        (a_gguf(tensors=[("t", HUGE, 64)]), "gguf_broken", "tensor_size"),
        (a_gguf(tensors=[("t", 1, 0), ("u", 1, 64)]), "gguf_broken", "tensor_offset"),
        (a_gguf({"general.alignment": 0}), "gguf_broken", "alignment"),
    ],
)
def test_hostile_header_is_refused_at_once(path, content, code, what):
    path.write_bytes(content)
    tracemalloc.start()
    try:
        assert code_of(path, content) == (code, what)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "values",
    [
        {f"k{number}": [1000] * 4096 for number in range(150)},
        {f"k{number}": "x" * 4096 for number in range(4000)},
        {f"k{number}{'x' * 4096}": 1 for number in range(4000)},
    ],
)
def test_what_is_kept_of_a_header_is_little(path, values):
    path.write_bytes(a_gguf({**LLAMA, **values}))
    tracemalloc.start()
    try:
        header = read_header(path)
        assert tracemalloc.get_traced_memory()[0] < 12 * 2**20
    finally:
        tracemalloc.stop()
    assert header.values["llama.block_count"] == 2
    assert header.lengths["tokenizer.ggml.tokens"] == 3
    assert [tensor.name for tensor in header.tensors] == [name for name, *_ in TENSORS]


def test_header_that_never_ends_is_refused(path):
    path.write_bytes(counts(0, 2) + text("k") + struct.pack("<IIQ", 9, 0, 2**34))
    os.truncate(path, 2**35)  # sparse
    with pytest.raises(BadGguf) as caught:
        read_header(path)
    assert caught.value.problem.params["what"] == "header_size"


@given(data=st.data())
def test_changed_bytes_give_a_header_or_a_problem(tmp_path_factory, data):
    content = bytearray(a_gguf())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("changed") / "m.gguf"
    path.write_bytes(content)
    try:
        header = read_header(path)
    except BadGguf as bad:
        assert bad.problem.code in {"gguf_truncated", "gguf_broken", "not_gguf"}
    else:
        assert sum(tensor.bytes for tensor in header.tensors) <= len(content)


def test_what_is_no_file_is_reported(path):
    os.mkfifo(path)
    for place, code in [(path, "not_a_file"), (path.with_name("no"), "file_missing")]:
        with pytest.raises(BadGguf) as caught:
            read_header(place)
        assert caught.value.problem.code == code
