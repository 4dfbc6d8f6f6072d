"""The launcher, with a server that shows its settings as older versions of vLLM do."""

import subprocess
import sys
from hashlib import sha256

import pytest

from runtimes.frameworks.base import Exit, Placement
from runtimes.frameworks.vllm.framework import Vllm

VLLM = Vllm()
KEY = "sesame-key"
SERVER = """
import argparse, hashlib, multiprocessing, sys

def child():
    print("child", "--model=org/name" in sys.argv)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--api-key", nargs="*")
    parser.add_argument("--model")
    args = parser.parse_args(sys.argv[1:2])
    print(args, vars(args), sys.argv)
    print("hash", hashlib.sha256(args.api_key[0].encode()).hexdigest())
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
"""


@pytest.fixture
def run(tmp_path):
    def done(package):
        command = VLLM.command(
            {"model_name": "org/name"},
            Placement(port=1, api_key=KEY, model_name="smol", cpu_cores=1),
        )
        folder = tmp_path / package / "entrypoints" / "openai"
        folder.mkdir(parents=True)
        (folder / "api_server.py").write_text(SERVER)
        return subprocess.run(
            [sys.executable, *command.argv[1:]],
            input=command.stdin,
            env={"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    return done


def test_server_has_the_key_and_does_not_show_it(run):
    done = run("vllm")
    assert done.returncode == 0, done.stderr
    assert "api_key=['***']" in done.stdout
    assert f"hash {sha256(KEY.encode()).hexdigest()}" in done.stdout
    assert "child True" in done.stdout
    assert KEY not in done.stdout + done.stderr


def test_environment_without_vllm_is_reported(run):
    done = run("other")
    assert VLLM.end_reason(Exit(code=1, signal=None), done.stderr) == "engine_broken"
    assert KEY not in done.stdout + done.stderr
