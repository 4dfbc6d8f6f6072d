import json

import pytest

from runtimes.frameworks.base import Placement
from runtimes.frameworks.llamacpp.framework import LlamaCpp
from runtimes.frameworks.paths import for_engine
from runtimes.frameworks.vllm.framework import Vllm

PLACEMENT = Placement(api_key="k", model_name="m", cpu_cores=1, socket="/s.sock")


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        ("{root}/m.gguf", "{root}/m.gguf"),
        ("/proc/self/root{root}/m.gguf", "{root}/m.gguf"),
        ("{root}/sub/../m.gguf", "{root}/m.gguf"),
        ("{root}/folder-link/m.gguf", "{root}/m.gguf"),
        # The name stays: parts of a split model are found by it.
        ("{root}/part-00001-of-00002.gguf", "{root}/part-00001-of-00002.gguf"),
        ("org/name", "org/name"),
    ],
)
def test_engine_gets_the_path_that_was_checked(tmp_path, given, passed_on):
    (tmp_path / "m.gguf").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "folder-link").symlink_to(tmp_path)
    (tmp_path / "part-00001-of-00002.gguf").symlink_to(tmp_path / "m.gguf")
    assert for_engine(given.format(root=tmp_path)) == passed_on.format(root=tmp_path)


def test_frameworks_pass_on_the_checked_path(tmp_path):
    path = f"/proc/self/root{tmp_path}/m"
    command = LlamaCpp().command({"model_path": path}, PLACEMENT)
    settings = json.loads(command.stdin)["settings"]
    assert settings["model.path"] == f"{tmp_path}/m"
    arguments = Vllm().command({"model_name": path}, PLACEMENT).argv
    assert f"--model={tmp_path}/m" in arguments


@pytest.mark.parametrize("engine", ["xllamacpp", "llama-server", "llama-cpp-python"])
def test_builds_of_llama_cpp_listen_on_the_socket(engine):
    config = {"model_path": "/m.gguf", "engine": engine}
    command = LlamaCpp().command(config, PLACEMENT)
    given = [*command.argv, *command.env.values(), command.stdin]
    assert any("/s.sock" in text for text in given)


def test_vllm_listens_on_the_socket_alone():
    arguments = Vllm().command({"model_name": "org/name"}, PLACEMENT).argv
    assert "--uds=/s.sock" in arguments
    assert not any(part.startswith(("--host", "--port")) for part in arguments)
