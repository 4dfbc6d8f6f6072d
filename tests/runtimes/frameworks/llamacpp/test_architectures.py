import pytest

from runtimes.frameworks.llamacpp.architectures import knows
from runtimes.installations.discovery import find
from tests.runtimes.frameworks.engines import a_home, an_engine

TABLE = b"\0general.architecture\0\0llama\0jina-bert\0"


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
def test_engine_of_the_platform_lists_what_it_knows(names, expected):
    assert knows(find("xllamacpp"), names) is expected


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
    assert knows(engine, [name]) is expected


def test_names_across_the_borders_of_what_is_read_are_found(tmp_path):
    for shift in range(24):
        program = tmp_path / f"llama-server-{shift}"
        program.write_bytes(bytes(2**20 - shift) + TABLE + bytes(100))
        assert knows(an_engine("llama-server", program), ["llama"])
        assert knows(an_engine("llama-server", program), ["bert"])
        assert knows(an_engine("llama-server", program), ["lama2"]) is False


def test_library_without_names_reports_nothing(tmp_path):
    program = tmp_path / "llama-server"
    program.write_bytes(b"llama\0")
    assert knows(an_engine("llama-server", program), ["llama"]) is None
    assert knows(an_engine("llama-server", tmp_path / "gone"), ["llama"]) is None


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
    assert knows(engine, ["llama"]) is True
    assert knows(engine, ["mamba"]) is False


def test_upgraded_library_is_read_again(tmp_path):
    program = tmp_path / "llama-server"
    program.write_bytes(TABLE)
    engine = an_engine("llama-server", program)
    assert knows(engine, ["mamba"]) is False
    program.write_bytes(TABLE + b"mamba\0")
    assert knows(engine, ["mamba"]) is True
