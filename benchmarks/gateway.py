"""What the gateway costs, against a bare relay of the same requests.

    python benchmarks/gateway.py [--seconds N] [--portkey COMMAND] [--litellm PROGRAM]

Needs wrk. Starts an engine that answers at once, a relay of 20 lines (aiohttp on
uvicorn) and the gateway as the api role runs it, on an installation of its own, and
loads them in turns; Portkey's gateway and LiteLLM's proxy as well, where they are
installed. Authentication, limits, usage and metrics are on in ours.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from serving import site, streams
from serving.wrk import Result, Target, load

HERE = Path(__file__).parent / "serving"
PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Hello"}]
CONNECTIONS = (1, 16, 32, 64)
SLOW_MS = 22
MANY_STREAMS, PIECES = 256, 100


def body_of(model: str, stream: bool = False) -> dict[str, object]:
    body: dict[str, object] = {"model": model, "messages": MESSAGES}
    return {**body, "stream": True} if stream else body


@contextmanager
def upstream(delay_ms: int = 0, pieces: int = 0) -> Iterator[int]:
    port = site.free_port()
    script = str(HERE / "upstream.py")
    arguments = (sys.executable, script, str(port), str(delay_ms), str(pieces))
    with site.program(port, *arguments):
        yield port


@contextmanager
def relay(upstream_port: int) -> Iterator[int]:
    port = site.free_port()
    command = [*uvicorn("relay:application", port), "--app-dir", str(HERE)]
    env = {"UPSTREAM": f"http://127.0.0.1:{upstream_port}"}
    with site.program(port, *command, env=env):
        yield port


@contextmanager
def gateway(processes: int = 1) -> Iterator[int]:
    port = site.free_port()
    command = (sys.executable, "-m", "llmplatform.servers", "api")
    env = {"API_PORT": str(port), "API_PROCESSES": str(processes)}
    with site.program(port, *command, env=env):
        yield port


def uvicorn(application: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port)]
    return [*command, "--log-level", "error", "--no-access-log"]


def compare(
    title: str,
    targets: dict[str, Target],
    connections: tuple[int, ...],
    options: argparse.Namespace,
) -> None:
    """Medians of the rounds; the ratio is to the relay of the same round."""
    print(f"\n{title:34}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}{'x relay':>9}")
    for count in connections:
        rounds = [
            {
                name: load(options.folder, target, count, options.seconds)
                for name, target in targets.items()
            }
            for _ in range(options.rounds)
        ]
        for name in targets:
            print_row(f"{count:3} connections  {name}", rounds, name)


def print_row(label: str, rounds: list[dict[str, Result]], name: str) -> None:
    def median(value: Callable[[dict[str, Result]], float]) -> float:
        return statistics.median(value(each) for each in rounds)

    rate, p50 = median(lambda r: r[name].per_s), median(lambda r: r[name].p50_ms)
    p99 = median(lambda r: r[name].p99_ms)
    ratio = median(lambda r: r[name].per_s / r["relay"].per_s)
    failed = sum(each[name].failed for each in rounds)
    print(
        f"{label:34}{rate:11.0f}{p50:9.3f}{p99:9.2f}{ratio:9.2f}"
        + (f"  {failed} FAILED" if failed else "")
    )


def main(options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        options.folder = stack.enter_context(tempfile.TemporaryDirectory())
        site.prepare(options.folder)
        token = site.a_token()
        known = {"Authorization": f"Bearer {token}"}
        fast = stack.enter_context(upstream())
        slow = stack.enter_context(upstream(delay_ms=SLOW_MS))
        dripping = stack.enter_context(upstream(pieces=PIECES))
        site.a_model("whole", "vllm", fast)
        site.a_model("assembled", "llama.cpp", fast)
        site.a_model("slow", "vllm", slow)
        site.a_model("dripping", "vllm", dripping)
        ours = f"http://127.0.0.1:{stack.enter_context(gateway())}{PATH}"
        bare = f"http://127.0.0.1:{stack.enter_context(relay(fast))}{PATH}"
        bare_slow = f"http://127.0.0.1:{stack.enter_context(relay(slow))}{PATH}"
        bare_drip = stack.enter_context(relay(dripping))

        def targets(model: str, bare: str, stream: bool = False) -> dict[str, Target]:
            body = body_of(model, stream)
            return {"relay": Target(bare, body, {}), "ours": Target(ours, body, known)}

        load(options.folder, targets("whole", bare)["ours"], 32, 1)
        answers = targets("whole", bare)
        answers["direct"] = Target(f"http://127.0.0.1:{fast}{PATH}", body_of("x"), {})
        answers |= stack.enter_context(peers(options, fast))
        compare("answers passed through", answers, CONNECTIONS, options)
        compare("answers assembled", targets("assembled", bare), (1, 32), options)
        compare("short streams", targets("whole", bare, True), (1, 32), options)
        compare(
            f"{SLOW_MS} ms engine", targets("slow", bare_slow), (1, 16, 64), options
        )
        pair = f"http://127.0.0.1:{stack.enter_context(gateway(processes=2))}{PATH}"
        both = {**targets("whole", bare), "two": Target(pair, body_of("whole"), known)}
        compare("one process and two", both, (64,), options)
        port = int(ours.split(":")[2].split("/")[0])
        streams.compare(
            {"relay": (bare_drip, "-"), "ours": (port, token)},
            body_of("dripping", True),
            MANY_STREAMS,
            options.rounds,
        )


@contextmanager
def peers(
    options: argparse.Namespace, upstream_port: int
) -> Iterator[dict[str, Target]]:
    found: dict[str, Target] = {}
    engine = f"http://127.0.0.1:{upstream_port}/v1"

    def start(name: str, command: list[str], headers: dict[str, str]) -> None:
        port = site.free_port()
        command = [part.format(port=port) for part in command]
        stack.enter_context(site.program(port, *command, wait_s=120))
        found[name] = Target(f"http://127.0.0.1:{port}{PATH}", body_of("x"), headers)

    with ExitStack() as stack:
        if options.portkey:
            headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": engine}
            start("portkey", [*options.portkey.split(), "--port={port}"], headers)
        if options.litellm:
            config = Path(options.folder, "litellm.yaml")
            config.write_text(LITELLM.format(engine=engine))
            command = [options.litellm, "--config", str(config), "--port", "{port}"]
            start("litellm", command, {})
        yield found


LITELLM = """model_list:
  - model_name: x
    litellm_params:
      model: openai/x
      api_base: {engine}
      api_key: key
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--portkey", help="its command, such as node .../start-server.js"
    )
    parser.add_argument("--litellm", help="its program")
    main(parser.parse_args())
