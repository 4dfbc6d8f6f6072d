"""The gateway in front of a real engine."""

import asyncio
import json
from asyncio import StreamWriter
from contextlib import asynccontextmanager

import pytest
from django.conf import settings

from common.subscription import Subscription
from gateway.app import Gateway
from gateway.routes.cache import Timing
from gateway.routes.table import Replica
from tests.engines.client import KEY, LLAMA, Engine
from tests.gateway.client import (
    CHAT,
    a_route,
    fetch,
    raw_request,
    serving,
    until,
)
from tests.gateway.conftest import FakeLoader
from tests.gguf import a_bert

pytestmark = pytest.mark.engine

COMPLETIONS = "/v1/completions"
FIXED = {"max_tokens": 8, "temperature": 0, "seed": 1}
SAY = {"messages": [{"role": "user", "content": "What is 2 + 2?"}], **FIXED}
LONG = {
    "model": "smol",
    "prompt": "Count to a thousand.",
    "max_tokens": 400,
    "temperature": 1.5,
    "ignore_eos": True,
}


@asynccontextmanager
async def gateway_to(*routes, aliases=()):
    loader = FakeLoader()
    loader.serve(*routes, aliases=aliases)
    subscription = Subscription(settings.REDIS_URL)
    gateway = Gateway(loader, subscription, Timing(unknown_token_gap_s=0.01))
    yield gateway
    await gateway.close()
    await subscription.close()


def replica_of(engine):
    return Replica(
        run_uid=engine.uid,
        base_url="http://localhost",
        socket=engine.socket,
        api_key=KEY,
    )


def in_front_of(engine, **fields):
    return gateway_to(a_route("smol", replica_of(engine), **fields))


@pytest.fixture
async def gateway(engine):
    async with in_front_of(engine) as gateway:
        yield gateway


def shape(value):
    """Keys and types, without values."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items() if k != "timings"}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, SAY),
        (CHAT, {**SAY, "logprobs": True, "top_logprobs": 2}),
        ("/v1/completions", {"prompt": "Once upon", **FIXED}),
        ("/v1/completions", {"prompt": "Once upon", **FIXED, "logprobs": 1}),
    ],
)
async def test_complete_response_matches_the_engines(gateway, engine, path, body):
    direct = json.loads(engine.request("POST", path, {**body, "model": "smol"})[1])
    through = (await fetch(gateway, "POST", path, {**body, "model": "smol"})).json
    assert shape(through) == shape(direct)
    assert through["usage"]["completion_tokens"] == 8
    names = ["text", "message"]
    assert [{k: c[k] for k in names if k in c} for c in through["choices"]] == [
        {k: c[k] for k in names if k in c} for c in direct["choices"]
    ]


@pytest.mark.parametrize("stream", [True, False])
async def test_answer_is_repeated_without_the_engine(engine, stream):
    body = {**SAY, "model": "smol", "stream": stream}
    async with in_front_of(engine, cache_ttl_s=60) as gateway:
        fresh, repeated = [await fetch(gateway, "POST", CHAT, body) for _ in range(2)]
        usage = gateway.usage.counts[7]
        (entry,) = gateway.usage.by_token.drain().values()
    assert (fresh.status, repeated.content) == (200, fresh.content)
    marks = [answer.headers["x-cache"] for answer in (fresh, repeated)]
    assert marks == ["miss", "hit"]
    for each in (usage, entry):
        counted = each.requests, each.cache_hits, each.completion_tokens
        assert counted == (2, 1, 8)


TOOL = {"type": "function", "function": {"name": "look"}}
# Seconds for the engine, or GiB for the gateway, before they were bounded
EXPENSIVE = (
    {"logprobs": True, "top_logprobs": 2147483647, "ignore_eos": True},
    {"dry_multiplier": 1, "dry_sequence_breakers": ["a" * 10_000] * 100},
    {"logit_bias": {str(token): 1 for token in range(100_000)}},
    {"grammar": "root ::= " + " | ".join(f'"{n:06}"' for n in range(5000))},
)
REFUSED = (
    {"reasoning_format": "nonsense"},
    {"tool_choice": TOOL},
    {"tools": [TOOL], "tool_choice": {**TOOL, "function": {"name": "leap"}}},
    {"grammar": 'root ::= "a"', "json_schema": {"type": "object"}},
    {"grammar": "root ::= ((("},
    {"messages": [{"role": "user"}]},
    {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {}}]}
        ]
    },
)


@pytest.mark.parametrize("fields", EXPENSIVE, ids=lambda fields: [*fields][-1])
async def test_expensive_request_is_rejected(gateway, fields):
    body = {**SAY, "model": "smol", **fields}
    response = await fetch(gateway, "POST", CHAT, body)
    assert response.status == 400
    assert response.json["error"]["param"].partition(".")[0] in fields


@pytest.mark.parametrize("fields", REFUSED, ids=str)
async def test_request_that_can_never_succeed_is_400(gateway, fields):
    body = {**SAY, "model": "smol", **fields}
    response = await fetch(gateway, "POST", CHAT, body)
    assert (response.status, response.json["error"]["type"]) == (
        400,
        "invalid_request_error",
    )
    assert response.json["error"]["message"]


# Reads the arguments of calls as an object, as those of most models with tools do
TEMPLATE = """\
{%- for message in messages %}{{- message.role + ': ' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{%- for key, value in call.function.arguments.items() %}{{- key }}={{- value }}
{%- endfor %}{%- endfor %}{%- endfor %}"""
BROKEN_CALL = {"id": "1", **TOOL, "function": {"name": "look", "arguments": '{"city":'}}
HISTORY = [
    *SAY["messages"],
    {"role": "assistant", "content": None, "tool_calls": [BROKEN_CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "nothing"},
]


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        ({"extra_args": {"use_jinja": False}}, {"tools": [TOOL]}, "--jinja"),
        ({"chat_template": TEMPLATE}, {"messages": HISTORY}, "arguments as JSON"),
    ],
    ids=["tools without jinja", "broken history"],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_request_beyond_the_model_is_400_with_the_engines_message(
    driver, model, config, fields, message, stream
):
    engine = Engine(driver, {"model_path": str(model), **config})
    engine.wait_until_ready()
    async with in_front_of(engine) as gateway:
        body = {**SAY, "model": "smol", "stream": stream, **fields}
        response = await fetch(gateway, "POST", CHAT, body)
    driver.kill(engine.handle)
    error = response.json["error"]
    assert (response.status, error["code"]) == (400, "engine_refused")
    assert message in error["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_long_prompt_has_openais_code_and_phrase(gateway, stream):
    body = {"model": "smol", "prompt": "hello " * 3000, "stream": stream}
    response = await fetch(gateway, "POST", "/v1/completions", body)
    error = response.json["error"]
    assert (response.status, error["code"]) == (400, "context_length_exceeded")
    assert "This model's maximum context length is 512 tokens" in error["message"]


@pytest.mark.parametrize(
    ("path", "body", "prompts", "completions"),
    [
        (CHAT, {**SAY, "n": 2}, 1, 2),
        ("/v1/completions", {**FIXED, "prompt": ["Hello"] * 4}, 4, 4),
        ("/v1/completions", {**FIXED, "prompt": ["Hello"] * 2, "n": 2}, 2, 4),
    ],
)
async def test_usage_is_of_all_completions(gateway, path, body, prompts, completions):
    body = {**body, "model": "smol", "ignore_eos": True}
    one = {**body, "n": 1}
    if "prompt" in body:
        one["prompt"] = body["prompt"][0]
    single = (await fetch(gateway, "POST", path, one)).json["usage"]
    expected = {
        "prompt_tokens": single["prompt_tokens"] * prompts,
        "completion_tokens": 8 * completions,
    }
    expected["total_tokens"] = sum(expected.values())
    whole = await fetch(gateway, "POST", path, body)
    assert len(whole.json["choices"]) == completions
    assert {**whole.json["usage"], **expected} == whole.json["usage"]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    streamed = await fetch(gateway, "POST", path, {**body, **options})
    usages = [e["usage"] for e in streamed.events[:-1] if e.get("usage")]
    assert [{name: each[name] for name in expected} for each in usages] == [expected]
    assert streamed.events[-2]["choices"] == []


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({"max_tokens": 0}, 1),
        ({"max_tokens": -1, "stop": ["."]}, None),
        ({"max_tokens": 3, "stop": []}, 3),
        ({"max_tokens": 3, "stop": [f"stop {n}" for n in range(40)]}, 3),
        ({"max_tokens": 3, "n_predict": 30}, 3),
        ({"max_tokens": 3, "user": "ann", "store": False, "metadata": {}}, 3),
        ({"max_completion_tokens": 3, "response_format": {"type": "text"}}, 3),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
async def test_fields_of_other_servers_are_accepted(gateway, path, fields, tokens):
    body = {"model": "smol", "temperature": 0, "seed": 1, **fields}
    body |= {"messages": SAY["messages"]} if path == CHAT else {"prompt": "Once"}
    response = await fetch(gateway, "POST", path, body)
    assert response.status == 200
    found = response.json["usage"]["completion_tokens"]
    assert found == tokens if tokens else found > 1


async def test_tokens_are_the_engines(gateway, engine):
    direct = json.loads(engine.request("POST", "/tokenize", {"content": "Hello"})[1])
    body = {"model": "smol", "prompt": "Hello"}
    response = await fetch(gateway, "POST", "/v1/tokenize", body)
    assert response.json == {"count": 1, **direct}


async def test_documents_are_ranked_by_the_engine(driver, tmp_path):
    path = tmp_path / "bert.gguf"
    path.write_bytes(a_bert())
    config = {"model_path": str(path), "embedding": True}
    config["extra_args"] = {"pooling_type": "rank"}
    engine = Engine(driver, config)
    engine.wait_until_ready()
    body = {"model": "smol", "query": "blue", "documents": ["a red cat", "blue"]}
    direct = json.loads(engine.request("POST", "/v1/rerank", body)[1])
    async with in_front_of(engine, dialect=LLAMA.dialect(config)) as gateway:
        response = await fetch(gateway, "POST", "/v2/rerank", body)
    driver.kill(engine.handle)
    assert response.json == direct
    assert sorted(each["index"] for each in direct["results"]) == [0, 1]


def busy(engine):
    return LLAMA.in_flight(engine.request("GET", "/metrics")[1])


@pytest.mark.parametrize("leave", [StreamWriter.close, StreamWriter.write_eof])
@pytest.mark.parametrize("stream", [True, False])
async def test_disconnect_stops_the_engine(gateway, engine, stream, leave):
    """A client that only ends its own half of the connection has left, too."""
    async with serving(gateway) as (host, port):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(raw_request(COMPLETIONS, {**LONG, "stream": stream}))
        await until(lambda: busy(engine))
        leave(writer)
        # 400 tokens take several seconds
        await until(lambda: not busy(engine))
        await until(lambda: gateway.usage.counts[7].cancelled == 1)
        writer.close()


async def test_usage_is_the_engines_own_count(gateway, engine):
    """Streamed or not, with usage requested or not; and what a client had received
    before it disconnected."""
    chat = {**SAY, "model": "smol"}
    usage = {"stream_options": {"include_usage": True}}
    direct = json.loads(engine.request("POST", CHAT, chat)[1])["usage"]
    for body in (chat, {**chat, "stream": True}, {**chat, "stream": True, **usage}):
        assert (await fetch(gateway, "POST", CHAT, body)).status == 200
    (entry,) = gateway.usage.by_token.drain().values()
    assert entry.requests == 3
    for name in ("prompt_tokens", "completion_tokens"):
        assert getattr(entry, name) == 3 * direct[name]
    async with serving(gateway) as address:
        reader, client = await asyncio.open_connection(*address)
        body = {**LONG, "stream": True}
        client.write(raw_request(COMPLETIONS, body))
        for _ in range(10):
            await reader.readuntil(b"data: ")
        client.close()
        await until(lambda: gateway.usage.counts[7].cancelled == 1)
    (entry,) = gateway.usage.by_token.drain().values()
    assert entry.cancelled == 1
    assert 10 <= entry.completion_tokens < LONG["max_tokens"]
