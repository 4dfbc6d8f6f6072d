import json
import os
import time
import tracemalloc

import pytest

from runtimes.frameworks.vllm.weights import BadFolder, served_bytes, weights_of
from tests.hf import a_folder, safetensors

ONE = safetensors({"a": ("BF16", 1000)})
TWO = safetensors({"a": ("F32", 400), "b": ("F16", 600)})
INDEX = "model.safetensors.index.json"


def index(*names):
    return json.dumps({"weight_map": dict(enumerate(names))}).encode()


def refused(folder):
    with pytest.raises(BadFolder) as caught:
        weights_of(folder, "")
    return caught.value.problem.code


@pytest.mark.parametrize(
    ("files", "default_type", "expected"),
    [
        ({"model.safetensors": TWO}, "", {"F32": 400, "F16": 600}),
        ({"1.safetensors": ONE, "2.safetensors": TWO}, "", {"BF16": 1000, "F32": 400}),
        ({"model.safetensors": ONE, "pytorch_model.bin": TWO}, "", {"BF16": 1000}),
        ({"model.safetensors": ONE, "consolidated.safetensors": ONE}, "", {}),
        ({"consolidated.safetensors": ONE}, "", {"BF16": 1000}),
        ({"pytorch_model.bin": bytes(9), "training_args.bin": b"1"}, "F32", {"F32": 9}),
        ({"pytorch_model.bin": bytes(9)}, "", {"": 9}),
        ({"model.pt": bytes(9)}, "F16", {"F16": 9}),
        (
            {INDEX: index("a.safetensors"), "a.safetensors": ONE, "b.safetensors": ONE},
            "",
            {"BF16": 1000},
        ),
    ],
)
def test_weights_count_once_by_type(tmp_path, files, default_type, expected):
    found = weights_of(a_folder(tmp_path, files), default_type)
    assert found.items() >= expected.items()
    assert found["BF16"] in (0, 1000)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "no_weights"),
        ({"model.safetensors": b""}, "weights_truncated"),
        ({"model.safetensors": b"version https://git-lfs.g"}, "lfs_pointer"),
        ({"model.safetensors": b"\xff" * 8}, "weights_truncated"),
        ({"model.safetensors": ONE[:40]}, "weights_truncated"),
        ({"model.safetensors": ONE[:-1]}, "weights_truncated"),
        ({INDEX: index("a.safetensors", "b.safetensors"), "a.safetensors": ONE},
         "file_missing"),
        ({INDEX: index("../../etc/x.safetensors")}, "no_weights"),
        *(
            (
                {"model.safetensors": safetensors({}, x={"data_offsets": offsets})},
                "model_config_value",
            )
            for offsets in ([5, 1], [-1, 4], ["0", 4], [0, True], [1], 7, [0, 1e300])
        ),
        (
            {"model.safetensors": safetensors({}, x={"data_offsets": [0, 2**62]})},
            "weights_truncated",
        ),
    ],
)  # fmt: skip
def test_lies_are_refused(tmp_path, files, code):
    assert refused(a_folder(tmp_path, files)) == code


def test_header_cut_off_at_any_byte_is_reported(tmp_path):
    for end in range(len(ONE) - 1000):
        folder = a_folder(tmp_path, {"model.safetensors": ONE[:end]})
        assert refused(folder) == "weights_truncated"


def test_index_that_never_ends_is_not_read(tmp_path):
    folder = a_folder(tmp_path)
    os.mkfifo(folder / INDEX)
    assert weights_of(folder, "")["BF16"] == 4 * 2**20


@pytest.mark.parametrize("junk", [b"{" * 10**7, b'{"a":' * 2 * 10**6, b'"' * 10**7])
def test_ten_million_bytes_of_junk_take_no_more_memory(tmp_path, junk):
    head = len(junk).to_bytes(8, "little")
    folder = a_folder(tmp_path, {"model.safetensors": head + junk, INDEX: junk})
    tracemalloc.start()
    try:
        assert weights_of(folder, "").total() == 0
        assert tracemalloc.get_traced_memory()[1] < 25 * 2**20
    finally:
        tracemalloc.stop()


def test_header_is_read_again_once_it_has_changed(tmp_path):
    folder = a_folder(tmp_path, {"model.safetensors": ONE})
    assert weights_of(folder, "")["F32"] == 0
    a_folder(tmp_path, {"model.safetensors": TWO})
    assert weights_of(folder, "")["F32"] == 400


def test_floats_are_converted_and_nothing_else():
    weights = {"F32": 400, "F16": 20, "I32": 100, "F8_E4M3": 10, "": 7}
    assert served_bytes(weights, 2) == 200 + 20 + 100 + 10 + 7
    assert served_bytes(weights, 4) == 400 + 40 + 100 + 10 + 7


@pytest.mark.parametrize("tensor", [b"{}", b'{"dtype": "F32", "data_offsets": [0, 1]}'])
def test_header_of_too_many_tensors_is_refused_at_once(tmp_path, tensor):
    header = tensor * 300_000
    content = len(header).to_bytes(8, "little") + header + bytes(400_000)
    folder = a_folder(tmp_path, {"model.safetensors": content})
    began = time.process_time()
    assert refused(folder) == "model_config_value"
    assert time.process_time() - began < 10


def test_types_that_are_not_converted_are_added_up_as_one(tmp_path):
    kinds = {f"t{number}": (f"X{number}", 10) for number in range(200)}
    kinds |= {"list": (["F32"], 10), "float": ("F32", 10)}
    folder = a_folder(tmp_path, {"model.safetensors": safetensors(kinds)})
    assert dict(weights_of(folder, "")) == {"": 2010, "F32": 10}
