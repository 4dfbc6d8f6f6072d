import json

import pytest

from runtimes.frameworks.vllm.contents import contents

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "max_position_embeddings": 8192,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "torch_dtype": "bfloat16",
}


def weights(elements=50, kind="BF16", size=100) -> bytes:
    tensor = {"dtype": kind, "shape": [elements], "data_offsets": [0, size]}
    header = json.dumps({"model.embed_tokens.weight": tensor}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(weights())
    return tmp_path


def indexed(folder, *parts):
    text = json.dumps({"weight_map": {f"{at}": part for at, part in enumerate(parts)}})
    (folder / "model.safetensors.index.json").write_text(text)


def test_contents_of_a_folder(folder):
    found = contents(str(folder))
    assert (found.bytes, found.parameters, found.context) == (100, 50, 8192)
    assert found.architectures == ("LlamaForCausalLM",)
    assert found.quantisation == "bfloat16"
    assert folder / "model.safetensors" in found.paths


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"quantization_config": {"quant_method": "awq"}}, ((), 0, "awq")),
        ({**CONFIG, "max_position_embeddings": 99}, (("LlamaForCausalLM",), 99, "")),
        ({"architectures": "odd", "dtype": 3}, ((), 0, "")),
        ({"architectures": [1, "A"], "max_position_embeddings": "x"}, (("A",), 0, "")),
        ({"quantization_config": [], "dtype": "float16"}, ((), 0, "float16")),
    ],
)
def test_contents_of_odd_configs(folder, config, expected):
    description = {k: v for k, v in config.items() if k != "torch_dtype"}
    (folder / "config.json").write_text(json.dumps(description))
    found = contents(str(folder))
    assert (found.architectures, found.context, found.quantisation) == expected


def test_parameters_of_quantised_weights_are_not_reported(folder):
    (folder / "model.safetensors").write_bytes(weights(kind="I32"))
    assert contents(str(folder)).parameters == 0


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        (["model.safetensors"], None),
        (["model.safetensors", "gone.safetensors"], "file_missing"),
    ],
)
def test_parts_of_the_index_have_to_be_there(folder, parts, code):
    indexed(folder, *parts)
    assert getattr(contents(str(folder)), "code", None) == code


@pytest.mark.parametrize(
    "content", [b"", b"1234567", b"\xff" * 8, weights()[:15], weights()[:-1]]
)
def test_weights_that_are_not_whole_are_cut_short(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    assert contents(str(folder)).code == "weights_truncated"


def test_folder_that_is_gone_is_a_problem(tmp_path):
    assert contents(str(tmp_path / "gone")).code == "file_unreadable"


@pytest.mark.parametrize(
    ("architecture", "files", "kind"),
    [
        ("LlamaForCausalLM", {}, "completion"),
        ("LlamaForCausalLM", {"chat_template.jinja": "{{ x }}"}, "chat"),
        ("LlamaForCausalLM", {"tokenizer_config.json": '{"chat_template": 1}'}, "chat"),
        ("BertModel", {}, "embedding"),
        ("XLMRobertaModel", {}, "embedding"),
        ("Qwen3ForCausalLM", {"modules.json": "[]"}, "embedding"),
    ],
)
def test_kind_is_read_from_the_files(folder, architecture, files, kind):
    described = {**CONFIG, "architectures": [architecture]}
    (folder / "config.json").write_text(json.dumps(described))
    for name, text in files.items():
        (folder / name).write_text(text)
    assert contents(str(folder)).kind == kind
