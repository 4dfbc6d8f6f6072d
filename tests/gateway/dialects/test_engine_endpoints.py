import json

import pytest

from common.request_fields.dialect import OPENAI
from gateway.dialects.engine_endpoints import RERANK, SCORE, TOKENIZE, build_request
from gateway.errors import GatewayError
from gateway.usage.tracker import RequestStats, Usage
from runtimes.frameworks.llamacpp.python_requests import DIALECT as PYTHON_DIALECT
from runtimes.frameworks.llamacpp.requests import RERANK_DIALECT, SERVER_DIALECT
from runtimes.frameworks.vllm.requests import DIALECT as VLLM
from tests.gateway.client import a_route, fetch

RANKED = {"model": "smol", "query": "a", "documents": ["b", "c"]}
TEXT = {"model": "smol", "prompt": "a"}


def a_served(engine, dialect):
    return a_route("smol", engine.replica, dialect=dialect)


@pytest.mark.parametrize(
    ("dialect", "endpoint", "body", "path", "payload"),
    [
        (RERANK_DIALECT, RERANK, RANKED, "/v1/rerank", RANKED),
        (VLLM, RERANK, {**RANKED, "top_n": 1}, "/rerank", {**RANKED, "top_n": 1}),
        (VLLM, RERANK, {**RANKED, "user": "ann"}, "/rerank", RANKED),
        (
            *(VLLM, SCORE, {"model": "smol", "text_1": "a", "text_2": ["b"]}),
            *("/score", {"model": "smol", "text_1": "a", "text_2": ["b"]}),
        ),
        (
            *(SERVER_DIALECT, TOKENIZE, TEXT, "/tokenize"),
            {"content": "a", "add_special": True},
        ),
        (
            *(SERVER_DIALECT, TOKENIZE, {**TEXT, "add_special_tokens": False}),
            *("/tokenize", {"content": "a", "add_special": False}),
        ),
        (
            *(PYTHON_DIALECT, TOKENIZE, TEXT, "/extras/tokenize"),
            {"model": "smol", "input": "a"},
        ),
        (VLLM, TOKENIZE, TEXT, "/tokenize", TEXT),
        (
            *(VLLM, TOKENIZE, {"model": "smol", "messages": [{"role": "user"}]}),
            *("/tokenize", {"model": "smol", "messages": [{"role": "user"}]}),
        ),
    ],
)
async def test_engine_gets_what_it_reads(
    gateway, loader, engine, dialect, endpoint, body, path, payload
):
    loader.serve(a_served(engine, dialect))
    response = await fetch(gateway, "POST", f"/v1/{endpoint.name}", body)
    assert response.status == 200, response.content
    assert (engine.requests[-1]["path"], engine.body) == (path, payload)


@pytest.mark.parametrize(
    ("endpoint", "body", "problem"),
    [
        (RERANK, {"query": "a"}, ("documents", "missing_key")),
        (RERANK, {**RANKED, "documents": []}, ("documents", "wrong_type")),
        (RERANK, {**RANKED, "documents": [5]}, ("documents.0", "wrong_type")),
        (RERANK, {**RANKED, "documents": ["a"] * 1025}, ("documents", "out_of_range")),
        (RERANK, {**RANKED, "top_n": 0}, ("top_n", "out_of_range")),
        (RERANK, {**RANKED, "top": 1}, ("top", "unknown_field")),
        (SCORE, {"text_1": "a"}, ("text_2", "missing_key")),
        (SCORE, {"text_1": "a", "text_2": 5}, ("text_2", "wrong_type")),
        (TOKENIZE, {}, ("prompt", "missing_key")),
        (TOKENIZE, {"prompt": ["a"]}, ("prompt", "wrong_type")),
    ],
)
def test_invalid_field_is_named(engine_route, endpoint, body, problem):
    with pytest.raises(GatewayError) as caught:
        build_request(endpoint, body, engine_route, RequestStats())
    assert [(p.field, p.code) for p in caught.value.problems] == [problem]


@pytest.fixture
def engine_route(engine):
    return a_served(engine, VLLM)


async def test_missing_endpoint_is_refused_with_those_that_there_are(
    gateway, loader, engine
):
    loader.serve(a_served(engine, SERVER_DIALECT))
    response = await fetch(gateway, "POST", "/v2/rerank", RANKED)
    error = response.json["error"]
    assert (response.status, error["code"]) == (400, "endpoint_not_supported")
    assert "/v1/rerank" in error["message"]
    assert "/v1/chat/completions" in error["message"]
    assert "/v1/tokenize" in error["message"]
    assert "/v1/embeddings" not in error["message"]
    assert engine.requests == []


async def test_stopped_model_says_that_it_is_stopped(gateway, loader):
    loader.serve(a_route("smol", status="stopped", retry_after_s=None, dialect=OPENAI))
    response = await fetch(gateway, "POST", "/v1/rerank", RANKED)
    assert response.status == 409


async def test_response_is_the_engines_and_its_usage_counts(
    gateway, loader, engine, counts
):
    loader.serve(a_served(engine, RERANK_DIALECT))
    response = await fetch(gateway, "POST", "/v1/rerank", RANKED)
    assert response.json["results"] == [{"index": 0, "relevance_score": 0.5}]
    assert counts()["prompt_tokens"] == 9


def test_tokens_are_counted_where_the_engine_does_not(engine_route):
    stats = RequestStats()
    request = build_request(TOKENIZE, TEXT, engine_route, stats)
    translate = request.translator.translate_body
    assert json.loads(translate(b'{"tokens": [1, 2]}')) == {
        "count": 2,
        "tokens": [1, 2],
    }
    whole = b'{"count": 1, "max_model_len": 9, "tokens": [7]}'
    assert translate(whole) == whole
    assert stats.usage == Usage()
