import json

import pytest

from runtimes.frameworks.vllm.folder import folder_shape
from runtimes.frameworks.vllm.weights import BadFolder
from tests.hf import LLAMA, a_folder


def shape(path, **config):
    return folder_shape(a_folder(path, **config))


def test_plain_model(tmp_path):
    found = shape(tmp_path)
    assert (found.whole, found.windowed, found.context) == (8, 0, 4096)
    assert (found.token, found.kv_heads, found.latent) == (128, 4, False)
    assert found.weights == {"BF16": 4 * 2**20}
    assert (found.vocabulary, found.embedding, found.feed_forward) == (
        *(32_000, 1024, 4096),
    )


@pytest.mark.parametrize(
    ("config", "token", "heads", "latent"),
    [
        ({"head_dim": 256}, 512, 4, False),
        ({"num_key_value_heads": None}, 128, 16, False),
        ({"num_key_value_heads": None, "multi_query": True}, 128, 1, False),
        ({"num_key_value_heads": [1, 8, 2]}, 128, 8, False),
        ({"kv_lora_rank": 512, "qk_rope_head_dim": 64}, 576, 1, True),
        ({"kv_lora_rank": None, "qk_rope_head_dim": 64}, 128, 4, False),
    ],
)
def test_what_is_kept_of_a_token(tmp_path, config, token, heads, latent):
    found = shape(tmp_path, **config)
    assert (found.token, found.kv_heads, found.latent) == (token, heads, latent)


@pytest.mark.parametrize(
    ("config", "whole", "windowed"),
    [
        ({"layer_types": ["sliding_attention"] * 6 + ["full_attention"] * 2}, 2, 6),
        ({"layer_types": ["linear_attention"] * 6 + ["full_attention"] * 2}, 2, 0),
        ({"layer_types": ["full_attention"] * 99}, 8, 0),
        ({"layer_types": 7}, 8, 0),
        ({"full_attention_interval": 4}, 2, 0),
        ({"full_attention_interval": 0}, 8, 0),
    ],
)
def test_layers_that_remember_all_and_some(tmp_path, config, whole, windowed):
    found = shape(tmp_path, **config)
    assert (found.whole, found.windowed) == (whole, windowed)


def test_part_that_writes_counts(tmp_path):
    folder = a_folder(tmp_path)
    config = {"text_config": LLAMA, "vision_config": {"hidden_size": 9}}
    (folder / "config.json").write_text(json.dumps(config))
    assert folder_shape(folder).whole == 8


def test_all_experts_that_see_a_token_work(tmp_path):
    config = {"moe_intermediate_size": 2048, "num_experts_per_tok": 8}
    assert shape(tmp_path, **config).feed_forward == 8 * 2048


@pytest.mark.parametrize(
    ("config", "context"),
    [
        ({"max_position_embeddings": None}, 2048),
        ({"seq_length": 1024}, 1024),
        ({"rope_scaling": {"type": "linear", "factor": 4}}, 16384),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, 4096),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, 4096),
        ({"rope_scaling": {"type": "linear", "factor": -4}}, 4096),
        ({"rope_scaling": {"type": "linear", "factor": "9"}}, 4096),
        ({"rope_scaling": [4]}, 4096),
        (
            {
                "rope_scaling": {"rope_type": "longrope"},
                "original_max_position_embeddings": 512,
            },
            512,
        ),
    ],
)
def test_longest_request(tmp_path, config, context):
    assert shape(tmp_path, **config).context == context


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"num_hidden_layers": -1}, "model_config_value"),
        ({"num_hidden_layers": "8"}, "model_config_value"),
        ({"num_hidden_layers": 2**60}, "model_config_value"),
        ({"num_hidden_layers": 1.5}, "model_config_value"),
        ({"num_hidden_layers": True}, "model_config_value"),
        ({"num_hidden_layers": None}, "model_config_lacks"),
        ({"hidden_size": {"a": 1}}, "model_config_value"),
        ({"num_key_value_heads": [1, "2"]}, "model_config_value"),
        ({"num_key_value_heads": []}, "model_config_value"),
        ({"max_position_embeddings": 1e30}, "model_config_value"),
        ({"kv_lora_rank": -5}, "model_config_value"),
    ],
)
def test_lies_are_refused_by_name(tmp_path, config, code):
    with pytest.raises(BadFolder) as caught:
        shape(tmp_path, **config)
    problem = caught.value.problem
    assert (problem.code, problem.params["key"]) == (code, next(iter(config)))


@pytest.mark.parametrize("text", ["", "[]", "[" * 10**5, '{"a":' + "1" * 5000 + "}"])
def test_description_that_is_none_is_reported(tmp_path, text):
    folder = a_folder(tmp_path)
    (folder / "config.json").write_text(text)
    with pytest.raises(BadFolder) as caught:
        folder_shape(folder)
    assert caught.value.problem.code == "bad_model_config"


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({}, "BF16"),
        ({"torch_dtype": "float32"}, "F32"),
        ({"torch_dtype": 4}, ""),
        ({"quantization_config": {"quant_method": "awq"}}, ""),
    ],
)
def test_files_without_a_type_have_that_of_the_model(tmp_path, config, kind):
    files = {"pytorch_model.bin": bytes(8)}
    assert folder_shape(a_folder(tmp_path, files, **config)).weights == {kind: 8}
