import pytest

from runtimes.frameworks.llamacpp.gguf import BadGguf
from runtimes.frameworks.llamacpp.shape import shape_of
from tests.gguf import LLAMA, TENSORS, a_gguf


@pytest.fixture
def shaped(tmp_path):
    def shape(tensors=TENSORS, **values):
        path = tmp_path / "m.gguf"
        header = {f"llama.{key.replace('__', '.')}": v for key, v in values.items()}
        path.write_bytes(a_gguf({**LLAMA, **header}, tensors))
        return shape_of(path)

    return shape


def test_shape_of_a_model(shaped):
    shape = shaped(expert_count=8, expert_used_count=2)
    assert (shape.architecture, shape.quantisation) == ("llama", "Q4_K_M")
    assert (shape.context, shape.vocabulary, shape.embedding) == (4096, 3, 64)
    assert (shape.experts, shape.experts_used, shape.heads) == (8, 2, 4)
    assert shape.parameters == 1800
    assert (shape.input_weights, shape.output_weights, shape.tied) == (320, 384, False)
    assert [layer.weights for layer in shape.layers] == [128, 128]


def test_model_without_output_uses_its_input_twice(shaped):
    assert shaped(TENSORS[:-1]).tied


@pytest.mark.parametrize(
    ("values", "cached"),
    [
        ({}, [(32, 32), (32, 32)]),
        ({"attention__key_length": 128}, [(256, 32), (256, 32)]),
        (
            {"attention__key_length": 128, "attention__value_length": 64},
            [(256, 128), (256, 128)],
        ),
        ({"attention__head_count_kv": [4, 0]}, [(64, 64), (0, 0)]),
        ({"attention__head_count_kv": [4]}, [(64, 64), (0, 0)]),
        ({"attention__key_length_mla": 192}, [(32, 0), (32, 0)]),
        ({"attention__shared_kv_layers": 1}, [(32, 32), (0, 0)]),
        ({"full_attention_interval": 2}, [(0, 0), (32, 32)]),
        (
            {
                "attention__sliding_window": 512,
                "attention__sliding_window_pattern": [True, False],
                "attention__key_length": 128,
                "attention__key_length_swa": 64,
            },
            [(128, 32), (256, 32)],
        ),
    ],
)
def test_what_each_layer_caches(shaped, values, cached):
    layers = shaped(**values).layers
    assert [(layer.keys, layer.values) for layer in layers] == cached


@pytest.mark.parametrize(
    ("values", "windowed"),
    [
        ({}, [False, False, False]),
        ({"attention__sliding_window_pattern": 3}, [False, False, False]),
        ({"attention__sliding_window": 512}, [False, False, False]),
        (
            {"attention__sliding_window": 512, "attention__sliding_window_pattern": 3},
            [True, True, False],
        ),
        (
            {
                "attention__sliding_window": 512,
                "attention__sliding_window_pattern": [True, False, True],
            },
            [True, False, True],
        ),
    ],
)
def test_which_layers_remember_a_window_only(shaped, values, windowed):
    layers = shaped(block_count=3, **values).layers
    assert [layer.windowed for layer in layers] == windowed


def test_window_of_a_known_architecture(tmp_path):
    header = {key.replace("llama", "gemma3"): value for key, value in LLAMA.items()}
    header |= {
        "general.architecture": "gemma3",
        "gemma3.block_count": 7,
        "gemma3.attention.sliding_window": 512,
    }
    (tmp_path / "m.gguf").write_bytes(a_gguf(header))
    layers = shape_of(tmp_path / "m.gguf").layers
    assert [layer.windowed for layer in layers] == [True] * 5 + [False, True]


@pytest.mark.parametrize(
    ("values", "code", "params"),
    [
        ({"block_count": 2**31}, "gguf_value", {"key": "llama.block_count"}),
        ({"block_count": "two"}, "gguf_value", {"value": '"two"'}),
        ({"embedding_length": 1.5}, "gguf_value", {"key": "llama.embedding_length"}),
    ],
)
def test_invalid_value_is_reported(shaped, values, code, params):
    with pytest.raises(BadGguf) as caught:
        shaped(**values)
    assert caught.value.problem.code == code
    assert caught.value.problem.params.items() >= params.items()


@pytest.mark.parametrize(
    "key",
    ["general.architecture", "llama.block_count", "llama.embedding_length"],
)
def test_missing_value_is_reported(tmp_path, key):
    path = tmp_path / "m.gguf"
    path.write_bytes(a_gguf({k: v for k, v in LLAMA.items() if k != key}))
    with pytest.raises(BadGguf) as caught:
        shape_of(path)
    problem = caught.value.problem
    assert (problem.code, problem.params["key"]) == ("gguf_lacks", key)


def write_parts(folder, *contents):
    for at, content in enumerate(contents, 1):
        (folder / f"m-{at:05}-of-00003.gguf").write_bytes(content)
    return folder / "m-00001-of-00003.gguf"


def test_parts_are_one_model(tmp_path):
    first = write_parts(
        tmp_path,
        a_gguf(tensors=TENSORS[:2]),
        a_gguf({}, TENSORS[2:4]),
        a_gguf({}, TENSORS[4:]),
    )
    shape = shape_of(first)
    (tmp_path / "m.gguf").write_bytes(a_gguf())
    assert shape == shape_of(tmp_path / "m.gguf")


def test_missing_part_is_named(tmp_path):
    first = write_parts(tmp_path, a_gguf(), a_gguf({}, TENSORS[2:4]))
    with pytest.raises(BadGguf) as caught:
        shape_of(first)
    problem = caught.value.problem
    assert problem.code == "file_missing"
    assert problem.params["path"].endswith("m-00003-of-00003.gguf")


def test_changed_file_is_read_again(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(a_gguf())
    before = shape_of(path)
    path.write_bytes(a_gguf({**LLAMA, "llama.context_length": 8192, "more": 1}))
    assert (before.context, shape_of(path).context) == (4096, 8192)
