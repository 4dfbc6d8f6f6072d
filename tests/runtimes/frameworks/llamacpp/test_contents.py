import pytest

from runtimes.frameworks.llamacpp.contents import contents
from tests.gguf import LLAMA, a_gguf


def contents_of(path, **values):
    path.write_bytes(a_gguf({**LLAMA, **values}))
    return contents({"model_path": str(path)})


def test_contents_of_a_model(tmp_path):
    path = tmp_path / "m.gguf"
    found = contents_of(path)
    assert (found.paths, found.bytes, found.parameters) == ((path,), 960, 1800)
    assert found.architectures == ("llama",)
    assert (found.context, found.quantisation) == (4096, "Q4_K_M")


def test_contents_are_those_of_all_parts(tmp_path):
    paths = [tmp_path / f"m-{at:05}-of-00003.gguf" for at in (1, 2, 3)]
    for path in paths:
        path.write_bytes(a_gguf())
    found = contents({"model_path": str(paths[0])})
    assert (found.paths, found.bytes) == (tuple(paths), 3 * 960)


@pytest.mark.parametrize(
    ("values", "code", "param"),
    [
        ({"general.architecture": ""}, "gguf_lacks", "general.architecture"),
        ({"general.architecture": "clip"}, "gguf_not_a_model", "clip"),
        ({"general.type": "adapter"}, "gguf_not_a_model", "adapter"),
        ({"general.type": "mmproj"}, "gguf_not_a_model", "mmproj"),
        ({"llama.block_count": 2**32 - 1}, "gguf_value", "llama.block_count"),
        ({"llama.block_count": 4097}, "gguf_value", "llama.block_count"),
        ({"llama.block_count": "two"}, "gguf_value", "llama.block_count"),
        ({"llama.context_length": "long"}, "gguf_value", "llama.context_length"),
        ({"llama.embedding_length": "long"}, "gguf_value", "llama.embedding_length"),
    ],
)
def test_file_that_no_engine_can_load_is_reported(tmp_path, values, code, param):
    problem = contents_of(tmp_path / "m.gguf", **values)
    assert problem.code == code
    assert param in problem.params.values()


@pytest.mark.parametrize("size", [3, 4, 23, 24, 100, -400])
def test_file_that_is_cut_short_is_a_problem(tmp_path, size):
    path = tmp_path / "m.gguf"
    path.write_bytes(a_gguf()[:size])
    assert contents({"model_path": str(path)}).code == "gguf_truncated"


BERT = {
    "general.architecture": "bert",
    "bert.block_count": 2,
    "bert.context_length": 512,
    "bert.embedding_length": 64,
}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, "completion"),
        ({"tokenizer.chat_template": "{{ messages }}"}, "chat"),
        (BERT, "embedding"),
        ({**BERT, "bert.pooling_type": 0}, "embedding"),
        ({"llama.pooling_type": 3, "tokenizer.chat_template": "{{ x }}"}, "embedding"),
        ({"llama.pooling_type": 0, "tokenizer.chat_template": "{{ x }}"}, "chat"),
    ],
)
def test_kind_is_read_from_the_file(tmp_path, values, kind):
    assert contents_of(tmp_path / "m.gguf", **values).kind == kind
