from pathlib import Path

import pytest

from runtimes.installations.architectures import known
from runtimes.installations.discovery import Engine, find

TABLE = b"\0general.architecture\0\0llama\0jina-bert\0"


def an_engine(name, program) -> Engine:
    return Engine(name=name, version="1", accelerator="cpu", program=str(program))


def a_home(root: Path, file: str, content: bytes) -> Path:
    path = root / "lib/python3.11/site-packages" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return root / "bin/python"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["llama"], True),
        (["qwen2"], True),
        (["gemma3"], True),
        (["no-such"], False),
        (["no-such", "llama"], True),
        ([], None),
    ],
)
def test_engine_of_the_platform_tells_what_it_knows(names, expected):
    assert known(find("xllamacpp"), names) is expected


@pytest.mark.parametrize(("name", "expected"), [("llama", True), ("mamba", False)])
@pytest.mark.parametrize(
    "place", ["bin/llama-server", "bin/libllama.so", "lib/libllama.so"]
)
def test_server_has_its_names_in_itself_or_its_library(tmp_path, place, name, expected):
    for file in ("bin/llama-server", place):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"\x7fELF")
    (tmp_path / place).write_bytes(bytes(3_000_000) + TABLE)
    engine = an_engine("llama-server", tmp_path / "bin/llama-server")
    assert known(engine, [name]) is expected


def test_names_across_the_borders_of_what_is_read_are_found(tmp_path):
    for shift in range(24):
        program = tmp_path / f"llama-server-{shift}"
        program.write_bytes(bytes(2**20 - shift) + TABLE + bytes(100))
        assert known(an_engine("llama-server", program), ["llama"])
        assert known(an_engine("llama-server", program), ["bert"])
        assert known(an_engine("llama-server", program), ["lama2"]) is False


def test_library_without_names_tells_nothing(tmp_path):
    program = tmp_path / "llama-server"
    program.write_bytes(b"llama\0")
    assert known(an_engine("llama-server", program), ["llama"]) is None
    assert known(an_engine("llama-server", tmp_path / "gone"), ["llama"]) is None


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("llama-cpp-python", "llama_cpp/lib/libllama.so"),
        ("xllamacpp@cuda", "xllamacpp/xllamacpp.abi3.so"),
    ],
)
def test_binding_has_its_names_in_its_library(tmp_path, name, file):
    program = a_home(tmp_path, file, TABLE)
    engine = an_engine(name, program)
    assert known(engine, ["llama"]) is True
    assert known(engine, ["mamba"]) is False


def test_what_vllm_does_not_list_may_run(tmp_path):
    listed = b'MODELS = {\n    "LlamaForCausalLM": ("llama", "LlamaForCausalLM"),\n}\n'
    program = a_home(tmp_path, "vllm/model_executor/models/registry.py", listed)
    engine = an_engine("vllm", program)
    assert known(engine, ["LlamaForCausalLM"]) is True
    assert known(engine, ["Other", "LlamaForCausalLM"]) is True
    assert known(engine, ["ForCausalLM"]) is None
    assert known(engine, []) is None


def test_upgraded_library_is_read_again(tmp_path):
    program = tmp_path / "llama-server"
    program.write_bytes(TABLE)
    engine = an_engine("llama-server", program)
    assert known(engine, ["mamba"]) is False
    program.write_bytes(TABLE + b"mamba\0")
    assert known(engine, ["mamba"]) is True
