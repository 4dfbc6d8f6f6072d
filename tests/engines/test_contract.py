"""What every engine has to do for the platform, shown with the real ones."""

import json
import os
import signal
import socket
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from gateway.dialects.anthropic import messages
from gateway.dialects.openai import CHAT, COMPLETIONS, build_request
from gateway.dialects.responses import responses
from gateway.engines.errors import error_from_response
from gateway.protocol.sse import EventSplitter
from gateway.routes.table import Replica
from gateway.usage.tracker import RequestStats
from runtimes.drivers.base import DriverError
from tests.engines.builds import REQUIRED, places
from tests.engines.client import KEY, Engine
from tests.engines.memory import taken_mib
from tests.engines.sites import Containers, Processes
from tests.engines.test_gateway import gateway_to
from tests.gateway.client import a_route, fetch
from tests.runtimes.processes import until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

# Which vLLM has for models of other kinds
OTHER_KINDS = frozenset({"rerank", "score", "transcriptions"})
QUESTION = [{"role": "user", "content": "Count to a thousand."}]
MESSAGES = [{"role": "user", "content": "What is 2 + 2?"}]
SAY = {"temperature": 0, "max_tokens": 8}
LONG = {"temperature": 1, "max_tokens": 120, "ignore_eos": True}
ENDLESS = {**LONG, "max_tokens": 450}
STOP_S = 60  # where others are busy
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
EPHEMERAL = int(RANGE.read_text().split()[0])


# As a parameter of tests, pytest would not run all of a place one after another.
@pytest.fixture(scope="module", params=places(), ids=lambda place: place.name)
def place(request):
    return request.param


@pytest.fixture(scope="module")
def build(place):
    return place.build


@pytest.fixture(scope="module")
def site(place, request, model, folder, tmp_path_factory):
    runs_dir = tmp_path_factory.mktemp("runs")
    if place.driver == "docker":
        daemon = request.getfixturevalue("docker_daemon")
        site = Containers(runs_dir, daemon, [model.parent, folder])
    else:
        site = Processes(runs_dir)
    yield site
    site.close()


@pytest.fixture(scope="module")
def folder():
    """For models that any user may read; those of pytest are private."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="module")
def start(site, build, model):
    def started(path="", **more):
        config = build.config(path or build.served(model))
        settings = {"rules": build.rules, "program": build.program, **more}
        return Engine(site.driver, config, **settings)

    return started


@pytest.fixture(scope="module")
def estimate(build, model):
    return build.rules.memory(build.config(build.served(model)), gpu_count=0).host


@pytest.fixture(scope="module")
def ready(start, estimate):
    """For tests that leave it as it is, and the one that kills it after them: some
    engines compute half a minute to start. It may take what is estimated."""
    engine = start(memory_mib=estimate.total_mib)
    engine.wait_until_ready()
    yield engine
    engine.driver.kill(engine.handle)


def wait_until_gone(engine, pids):
    """With every process of it, and so with all the memory it had."""
    until(lambda: not engine.driver.observe(engine.handle).alive, seconds=STOP_S)
    until(lambda: engine.uid not in engine.driver.owned())
    assert pids
    until(lambda: not any(map(psutil.pid_exists, pids)))


def test_all_places_that_have_to_be_are_tested(pytestconfig):
    required = REQUIRED if pytestconfig.option.all_engines else []
    obstacles = {place.name: place.obstacle for place in required if place.obstacle}
    assert not obstacles


def test_ready_engine_listens(ready):
    assert ready.health() == 200
    assert ready.driver.listens(ready.handle, ready.port)


def test_engine_takes_the_memory_that_was_estimated(ready, site, estimate):
    assert ready.chat("word " * 400, max_tokens=4)[0] == 200
    expected = estimate.total_mib - estimate.prompt_cache_mib
    assert expected == pytest.approx(taken_mib(site.program(ready)), rel=0.15)


def test_key_is_in_no_arguments_and_no_environment(ready, site):
    """Every user may see arguments; the engine's user, the environment."""
    pids = site.pids(ready)
    shown = {pid: shown_of(pid) for pid in pids}
    assert site.program(ready) in shown
    assert all(b"PATH=" in text for text in shown.values())
    assert [pid for pid, text in shown.items() if KEY.encode() in text] == []


def shown_of(pid: int) -> bytes:
    process = Path(f"/proc/{pid}")
    return (process / "environ").read_bytes() + (process / "cmdline").read_bytes()


def test_engine_generates(ready):
    status, body = ready.chat("What is 2 + 2?", **SAY)
    answer = json.loads(body)
    assert (status, answer["model"]) == (200, "smol")
    assert answer["choices"][0]["message"]["content"].strip()
    assert 0 < answer["usage"]["completion_tokens"] <= 8


def test_engine_streams(ready):
    status, body = ready.chat("Count to ten.", stream=True, **SAY)
    lines = [line for line in body.splitlines() if line.startswith("data: ")]
    assert status == 200
    assert len(lines) > 3
    assert lines[-1] == "data: [DONE]"


def test_prompt_longer_than_the_context_is_recognised(ready):
    context = ready.config[ready.rules.context_key]
    status, text = ready.chat("hello " * 2 * context, **SAY)
    error = error_from_response(a_route(), status, text.encode())
    assert (error.status, error.code) == (400, "context_too_long")
    assert f"This model's maximum context length is {context} tokens" in error.message


@pytest.mark.parametrize(
    "fields",
    [
        {"stop": [f"stop {n}" for n in range(40)], "max_tokens": 3},
        {"stop": [], "max_tokens": 0},
        {"stop": ["."], "max_tokens": -1},
        {"max_completion_tokens": 3, "n": 1, "user": "ann", "store": False},
        {"response_format": {"type": "text"}, "seed": 1, "max_tokens": 3},
        {"logit_bias": {"5": -100}, "presence_penalty": 1, "max_tokens": 3},
    ],
    ids=lambda fields: "-".join(fields),
)
@pytest.mark.parametrize("endpoint", [CHAT, COMPLETIONS], ids=["chat", "completions"])
def test_engine_takes_what_the_gateway_makes_of_a_request(ready, endpoint, fields):
    body = {"model": "smol", "temperature": 0, **fields}
    messages = [{"role": "user", "content": "What is 2 + 2?"}]
    body |= {"prompt": "Once"} if endpoint is COMPLETIONS else {"messages": messages}
    route = a_route(dialect=ready.rules.dialect(ready.config))
    request = build_request(endpoint, body, route, RequestStats())
    payload = json.loads(request.content) | {"stream": False, "stream_options": None}
    status, text = ready.request("POST", request.path, payload)
    assert (status, "choices" in text) == (200, True), text


def test_engine_takes_text_in_parts(ready):
    parts = [{"type": "text", "text": "What is"}, {"type": "text", "text": " 2 + 2?"}]
    body = {"messages": [{"role": "user", "content": parts}], "stream": True, **SAY}
    route = a_route(dialect=ready.rules.dialect(ready.config))
    request = build_request(CHAT, body, route, RequestStats())
    status, text = ready.request("POST", request.path, json.loads(request.content))
    assert (status, "[DONE]" in text) == (200, True), text


def test_key_is_needed(ready):
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    status, text = ready.request("POST", "/v1/chat/completions", body, key="wrong")
    assert (status, "choices" in text) == (401, False)


def test_requests_are_counted_and_answers_come_meanwhile(ready, build):
    payload = threading.Thread(target=ready.chat, args=["Count."], kwargs=LONG)
    payload.start()
    if build.queues:
        until(lambda: ready.in_flight() == 1, seconds=30)
    path = build.rules.metrics_path(ready.config)
    assert ready.request("GET", path)[0] == 200
    payload.join()
    assert ready.in_flight() == 0


def test_engine_stops_when_the_client_of_a_whole_answer_leaves(ready, build):
    body = {"model": "smol", "messages": QUESTION, **LONG}
    route = a_route(dialect=ready.rules.dialect(ready.config))
    request = build_request(CHAT, body, route, RequestStats())
    began = time.monotonic()
    ready.request("POST", request.path, json.loads(request.content))
    whole_s = time.monotonic() - began
    connection = ready.send("POST", request.path, json.loads(request.content))
    if build.queues:
        until(lambda: ready.in_flight() == 1, seconds=30)
    left_at = time.monotonic()
    connection.close()
    until(lambda: ready.in_flight() == 0, seconds=90)
    assert time.monotonic() - left_at < max(1, whole_s / 2)


def test_engine_has_the_endpoints_of_its_dialect(ready, build):
    paths = build.rules.dialect(ready.config).paths
    found = {name: ready.request("POST", path, {})[0] for name, path in paths.items()}
    assert {name for name, status in found.items() if status == 404} <= OTHER_KINDS
    assert 405 not in found.values()


@pytest.mark.parametrize(
    ("build_request", "body"),
    [
        (messages.build_request, {"messages": MESSAGES, "max_tokens": 4}),
        (responses.build_request, {"input": "What is 2 + 2?", "max_output_tokens": 4}),
    ],
    ids=["messages", "responses"],
)
def test_stream_of_other_apis_is_whole(ready, build, build_request, body):
    """Passed through or translated, as the dialect of the engine has it."""
    replica = Replica(run_uid="a" * 32, base_url="", api_key=KEY)
    dialect = build.rules.dialect(ready.config)
    route = a_route("smol", replica, dialect=dialect)
    stats = RequestStats()
    request = build_request({"model": "smol", "stream": True, **body}, route, stats)
    status, content = ready.request("POST", request.path, json.loads(request.content))
    assert status == 200, content
    splitter = EventSplitter()
    events = [*splitter.feed(content.encode()), *splitter.flush()]
    sent = b"".join(map(request.translator.translate_event, events))
    assert b"_delta" in sent or b".delta" in sent
    assert request.translator.done
    usage = stats.usage
    if build.counts:
        assert usage.prompt_tokens > 4
        assert 0 < usage.completion_tokens <= 4


@pytest.mark.parametrize("stream", [True, False])
async def test_generated_tokens_are_counted(ready, build, stream):
    """Exactly, also where a stream does not have their number."""
    body = {"model": "smol", "messages": QUESTION, **SAY}
    replica = Replica(
        run_uid=ready.uid,
        base_url=f"http://127.0.0.1:{ready.port}",
        socket=ready.socket,
        api_key=KEY,
    )
    route = a_route("smol", replica, dialect=build.rules.dialect(ready.config))
    async with gateway_to(route) as gateway:
        await fetch(gateway, "POST", CHAT.path, {**body, "stream": stream})
        counted = gateway.usage.counts[7]
    assert (counted.requests, counted.completion_tokens) == (1, SAY["max_tokens"])


def test_engine_is_found_by_whoever_comes_later(ready, site):
    later = site.renewed()
    assert later.find(ready.uid) == ready.handle
    assert later.observe(ready.handle).alive
    assert later.run_of(site.program(ready)) == ready.uid


def test_log_has_an_end_without_prompts_and_keys(ready):
    ready.chat("PROMPT", **SAY)
    log = ready.log()
    assert log.strip()
    assert "PROMPT" not in log
    assert KEY not in log


def test_engine_cannot_find_its_port_taken(ready, start, place, site):
    """Two containers cannot publish one port; processes have none of their own, as far
    as the system does not choose it."""
    if place.driver == "docker":
        with (
            socket.create_server(("127.0.0.1", 0)) as other,
            pytest.raises(DriverError, match="port_in_use"),
        ):
            start(port=other.getsockname()[1])
    else:
        assert [port for port in ports_of(site.pids(ready)) if port < EPHEMERAL] == []


def ports_of(pids) -> list[int]:
    sockets = [each for pid in pids for each in psutil.Process(pid).net_connections()]
    return [each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN]


def test_killed_engine_leaves_nothing_behind(ready, site):
    """The last one with this engine."""
    pids = site.pids(ready)
    os.kill(site.program(ready), signal.SIGKILL)
    wait_until_gone(ready, pids)
    assert ready.end_reason() == "killed"


def test_engine_stops_with_a_request_in_flight(start, site, build):
    engine = start()
    engine.wait_until_ready()
    pids = site.pids(engine)
    body = json.dumps({"messages": [{"role": "user", "content": "Go."}], **ENDLESS})
    with closing(engine.connection()) as client:
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {KEY}",
        }
        client.request("POST", "/v1/chat/completions", body, headers)
        if build.queues:
            until(lambda: engine.in_flight() == 1, seconds=30)
        else:
            time.sleep(1)
        engine.driver.terminate(engine.handle)
        if build.lingers:
            client.close()
        wait_until_gone(engine, pids)
    exit = engine.driver.observe(engine.handle).exit
    assert exit.code == 0 or exit.signal == signal.SIGTERM


def test_refused_model_ends_with_its_reason(start, build, folder):
    engine = start(build.broken(folder))
    until(lambda: not engine.driver.observe(engine.handle).alive, seconds=120)
    assert engine.end_reason() == build.reason
