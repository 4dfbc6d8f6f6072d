import json

import pytest

from runtimes.frameworks.vllm_files import contents

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
}
WEIGHTS = (8).to_bytes(8, "little") + b"{}      " + bytes(100)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(WEIGHTS)
    return tmp_path


def indexed(folder, parts, total=100):
    weights = {f"layer.{at}": part for at, part in enumerate(parts)}
    text = json.dumps({"metadata": {"total_size": total}, "weight_map": weights})
    (folder / "model.safetensors.index.json").write_text(text)


def test_contents_of_a_folder(folder):
    found = contents(str(folder))
    assert (found.bytes, found.context) == (len(WEIGHTS), 8192)
    assert (found.architectures, found.quantisation) == (
        ("LlamaForCausalLM",),
        "bfloat16",
    )
    assert folder / "model.safetensors" in found.paths


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"quantization_config": {"quant_method": "awq"}}, ((), 0, "awq")),
        ({"text_config": {"max_position_embeddings": 99}}, ((), 99, "")),
        ({"architectures": "odd", "dtype": 3}, ((), 0, "")),
        ({"architectures": [1, "A"], "max_position_embeddings": "x"}, (("A",), 0, "")),
        ({"quantization_config": [], "dtype": "float16"}, ((), 0, "float16")),
    ],
)
def test_contents_of_odd_configs(folder, config, expected):
    (folder / "config.json").write_text(json.dumps(config))
    found = contents(str(folder))
    assert (found.architectures, found.context, found.quantisation) == expected


@pytest.mark.parametrize(
    ("parts", "total", "code"),
    [
        (["model.safetensors"], 100, None),
        (["model.safetensors", "gone.safetensors"], 100, "file_missing"),
        (["../outside.safetensors"], 100, "file_missing"),
        (["model.safetensors"], 10_000, "weights_truncated"),
        ([["list"]], 100, "bad_model_config"),
        (["model.safetensors"], "many", "bad_model_config"),
        ([None], 100, "bad_model_config"),
    ],
)
def test_index_is_compared_with_what_is_there(folder, parts, total, code):
    indexed(folder, parts, total)
    assert getattr(contents(str(folder)), "code", None) == code


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"weight_map": 1}'])
def test_broken_index_is_a_problem(folder, text):
    (folder / "model.safetensors.index.json").write_text(text)
    assert contents(str(folder)).code == "bad_model_config"


@pytest.mark.parametrize("weights", [b"", b"1234567", b"\xff" * 8, WEIGHTS[:15]])
def test_weights_without_their_header_are_cut_short(folder, weights):
    (folder / "model.safetensors").write_bytes(weights)
    assert contents(str(folder)).code == "weights_truncated"


def test_folder_that_is_gone_is_a_problem(tmp_path):
    assert contents(str(tmp_path / "gone")).code == "file_unreadable"
