import pytest

from runtimes.frameworks.candidates import Kind
from tests.runtimes.library.folders import (
    CONFIG,
    a_folder,
    a_model,
    in_parts,
    listed,
    put,
    safetensors,
)

WEIGHTS = safetensors()


def test_gguf_file_is_recognised_by_its_header(tmp_path):
    a_model(tmp_path / "llm/Tiny-1B.Q4_K_M.gguf")
    entry = listed(tmp_path)["llm/Tiny-1B.Q4_K_M.gguf"]
    assert (entry.architecture, entry.quantisation) == ("llama", "Q4_K_M")
    assert (entry.context, entry.parameters) == (4096, 1800)
    assert entry.candidate.size == (tmp_path / "llm/Tiny-1B.Q4_K_M.gguf").stat().st_size
    assert entry.candidate.title == "Tiny-1B.Q4_K_M"
    assert entry.config == {"model_path": entry.path, "n_ctx": 2048}
    assert entry.memory_mib > 0
    assert entry.gpu_memory_mib > 0
    assert entry.addable


def test_short_context_is_kept_whole(tmp_path):
    a_model(tmp_path / "m.gguf", **{"llama.context_length": 512})
    assert listed(tmp_path)["m.gguf"].config["n_ctx"] == 512


def test_parts_are_one_model(tmp_path):
    in_parts(tmp_path, 1, 2, 3)
    [(path, entry)] = listed(tmp_path).items()
    assert path == "big-00001-of-00003.gguf"
    assert (entry.candidate.title, entry.parameters) == ("big", 1800)
    assert entry.candidate.size == sum(p.stat().st_size for p in tmp_path.iterdir())
    assert entry.addable


@pytest.mark.parametrize(
    ("parts", "missing"), [((1, 3), "00002"), ((2, 3), "00001"), ((1,), "00002")]
)
def test_model_that_lacks_a_part_is_incomplete(tmp_path, parts, missing):
    in_parts(tmp_path, *parts)
    [entry] = listed(tmp_path).values()
    assert entry.problem.code == "file_missing"
    assert f"big-{missing}-of" in entry.problem.params["path"]
    assert entry.is_incomplete
    assert not entry.addable


def test_single_part_and_capital_letters(tmp_path):
    a_model(tmp_path / "one-00001-of-00001.gguf")
    a_model(tmp_path / "LOUD.GGUF")
    found = listed(tmp_path)
    assert [entry.addable for entry in found.values()] == [True, True]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"general.architecture": "clip"}, Kind.PROJECTOR),
        ({"general.type": "mmproj"}, Kind.PROJECTOR),
        ({"general.type": "adapter"}, Kind.ADAPTER),
        ({"general.type": "imatrix"}, Kind.OTHER),
    ],
)
def test_what_belongs_to_a_model_is_no_model(tmp_path, values, kind):
    a_model(tmp_path / "beside.gguf", **values)
    entry = listed(tmp_path)["beside.gguf"]
    assert (entry.kind, entry.problem, entry.addable) == (kind, None, False)


def test_folder_is_recognised_by_its_config(tmp_path):
    folder = a_folder(tmp_path / "Tiny-1B")
    entry = listed(tmp_path)["Tiny-1B"]
    assert entry.candidate.framework == "vllm"
    assert (entry.architecture, entry.quantisation) == ("LlamaForCausalLM", "bfloat16")
    assert entry.context == 8192
    assert entry.config == {"model_name": str(folder), "max_model_len": 4096}
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert entry.candidate.size == sum(sizes)
    assert entry.addable


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"other_safetensors": WEIGHTS}, None),
        ({"pytorch_model.bin": b"PK"}, None),
        ({"README.md": b"x"}, "no_weights"),
        ({"model_safetensors": WEIGHTS[:20]}, "weights_truncated"),
    ],
)
def test_folder_by_its_weights(tmp_path, files, code):
    a_folder(tmp_path / "m", **files)
    problem = listed(tmp_path)["m"].problem
    assert (problem and problem.code) == code


def test_folder_that_lacks_a_shard_is_incomplete(tmp_path):
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    of_weights = {str(number): shard for number, shard in enumerate(shards)}
    index = {"metadata": {"total_size": 128}, "weight_map": of_weights}
    a_folder(tmp_path / "m", **{shards[0]: WEIGHTS})
    put(tmp_path / "m/model.safetensors.index.json", index)
    entry = listed(tmp_path)["m"]
    assert (entry.problem.code, entry.is_incomplete) == ("file_missing", True)
    put(tmp_path / "m" / shards[1], WEIGHTS)
    assert listed(tmp_path)["m"].addable


def test_weights_of_the_maker_are_not_counted_twice(tmp_path):
    a_folder(
        tmp_path / "m", model_safetensors=WEIGHTS, consolidated_safetensors=WEIGHTS
    )
    entry = listed(tmp_path)["m"]
    names = [name for name, *_ in entry.candidate.version]
    assert names == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ({"editor": "vim"}, {"notes.txt": b""}),
        ({"_class_name": "UNet2D"}, {"diffusion_safetensors": WEIGHTS}),
        ("{", {"notes.txt": b""}),
        (CONFIG, {"adapter_config.json": b"{}"}),
        (CONFIG, {"tiny.gguf": b"GGUF"}),
        ("[" * 100_000, {"pytorch_model.txt": b""}),
    ],
)
def test_folder_that_is_no_model_is_not_listed(tmp_path, config, files):
    a_folder(tmp_path / "m", config, **files)
    assert "m" not in listed(tmp_path)


@pytest.mark.parametrize(
    "config", ["{", "[]", "[" * 100_000, '{"a": "' + "x" * 10_000_000 + '"}']
)
def test_config_that_is_none_is_reported(tmp_path, config):
    a_folder(tmp_path / "m", config, model_safetensors=WEIGHTS)
    entry = listed(tmp_path)["m"]
    assert (entry.problem.code, entry.addable) == ("bad_model_config", False)


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("models--Qwen--Qwen2.5-7B/snapshots/0a1b2c", "Qwen2.5-7B"),
        ("Qwen/Qwen2___5-7B", "Qwen2.5-7B"),
        ("plain", "plain"),
    ],
)
def test_titles_of_folders(tmp_path, path, title):
    a_folder(tmp_path / path)
    assert listed(tmp_path)[path].candidate.title == title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("model.gguf", "Tiny-1B-model"),
        ("ggml-model-q4_0.gguf", "Tiny-1B-ggml-model-q4_0"),
        ("model.IQ2_XXS.gguf", "Tiny-1B-model.IQ2_XXS"),
        ("Model-X.gguf", "Model-X"),
        ("big-00001-of-00001.gguf", "big"),
    ],
)
def test_file_without_a_name_is_called_by_its_folder(tmp_path, name, title):
    a_model(tmp_path / "Tiny-1B" / name)
    [entry] = listed(tmp_path).values()
    assert entry.candidate.title == title
