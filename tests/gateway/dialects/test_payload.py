import json

import pytest

from common.request_fields.dialect import OPENAI
from gateway.dialects import native
from gateway.dialects.openai import CHAT, COMPLETIONS, EMBEDDINGS, build_request
from gateway.errors import GatewayError
from gateway.routes.table import Replica
from gateway.usage.tracker import RequestStats
from runtimes.frameworks.llamacpp.python_requests import DIALECT as PYTHON_DIALECT
from runtimes.frameworks.llamacpp.requests import SERVER_DIALECT
from runtimes.frameworks.vllm.requests import DIALECT as VLLM
from tests.gateway.client import CHAT_BODY, a_route

PROMPT = {"model": "smol", "prompt": "a"}


def a_tool(name):
    return {"type": "function", "function": {"name": name}}


@pytest.fixture
def route():
    replica = Replica(run_uid="a" * 32, base_url="http://127.0.0.1:1", api_key="key")
    return a_route("smol", replica, embeds=True)


def sent(route, endpoint, body, dialect=SERVER_DIALECT):
    """Fields that the engine gets, beside those of every request."""
    route = a_route("smol", *route.replicas, embeds=True, dialect=dialect)
    payload = json.loads(build_request(endpoint, body, route, RequestStats()).content)
    usual = ("model", "messages", "prompt", "input", "stream", "stream_options")
    return {name: value for name, value in payload.items() if name not in usual}


def rejected(route, endpoint, body, dialect=SERVER_DIALECT):
    with pytest.raises(GatewayError) as caught:
        sent(route, endpoint, body, dialect)
    return [(problem.field, problem.code) for problem in caught.value.problems]


@pytest.mark.parametrize("dialect", [SERVER_DIALECT, PYTHON_DIALECT, VLLM, OPENAI])
@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ({}, {}),
        ({"max_tokens": None}, {}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": -1}, {"max_tokens": None}),
        ({"max_tokens": 0}, {"max_tokens": 1}),
        ({"max_completion_tokens": 7}, {"max_tokens": 7}),
        ({"max_completion_tokens": 7, "max_tokens": 9}, {"max_tokens": 7}),
    ],
)
def test_engine_gets_one_limit(route, given, limit, dialect):
    assert sent(route, CHAT, {**CHAT_BODY, **given}, dialect) == limit
    assert sent(route, COMPLETIONS, {**PROMPT, **given}, dialect) == limit


def test_n_predict_never_overrides_max_tokens(route):
    both = {**PROMPT, "n_predict": 900, "max_tokens": 4}
    assert sent(route, COMPLETIONS, both) == {"max_tokens": 4}
    assert sent(route, COMPLETIONS, {**PROMPT, "n_predict": 9}) == {"max_tokens": 9}
    too_many = {**PROMPT, "n_predict": 2**31}
    assert rejected(route, COMPLETIONS, too_many) == [("n_predict", "out_of_range")]


OPENAI_CLIENTS = {
    "user": "ann",
    "store": False,
    "metadata": {"trace": "1"},
    "service_tier": "auto",
    "safety_identifier": "x",
    "prompt_cache_key": "x",
    "prompt_cache_options": {},
    "prompt_cache_retention": "24h",
}
READ_BY_ENGINES = {
    "seed": 1,
    "parallel_tool_calls": False,
    "response_format": {"type": "text"},
    "frequency_penalty": 0,
    "logit_bias": {"5": -100},
    "logprobs": True,
    "top_logprobs": 20,
    "n": 2,
    "stop": [],
}


@pytest.mark.parametrize("dialect", [SERVER_DIALECT, VLLM, OPENAI])
def test_fields_of_openai_clients_are_accepted(route, dialect):
    body = {**CHAT_BODY, **OPENAI_CLIENTS, **READ_BY_ENGINES}
    assert sent(route, CHAT, body, dialect) == READ_BY_ENGINES


@pytest.mark.parametrize(
    ("dialect", "endpoint", "name", "value"),
    [
        (SERVER_DIALECT, CHAT, "dry_sequence_breakers", ["\n", "<|im_end|>"]),
        (SERVER_DIALECT, CHAT, "logit_bias", [[5, -100], ["Hello", False]]),
        (SERVER_DIALECT, CHAT, "reasoning_format", "deepseek"),
        (SERVER_DIALECT, COMPLETIONS, "grammar", 'root ::= "a"'),
        (SERVER_DIALECT, COMPLETIONS, "samplers", ["top_k", "temperature"]),
        (PYTHON_DIALECT, COMPLETIONS, "suffix", "x"),
        (VLLM, COMPLETIONS, "echo", True),
        (VLLM, CHAT, "stop_token_ids", [1, 2]),
        (VLLM, COMPLETIONS, "response_format", {"type": "json_object"}),
        (VLLM, EMBEDDINGS, "truncate_prompt_tokens", 10),
        (VLLM, EMBEDDINGS, "dimensions", 64),
        (PYTHON_DIALECT, EMBEDDINGS, "encoding_format", "base64"),
        (SERVER_DIALECT, EMBEDDINGS, "embd_normalize", -1),
    ],
)
def test_field_of_an_engine_is_passed_on(route, dialect, endpoint, name, value):
    body = {endpoint.required: [{"role": "user"}] if endpoint is CHAT else "a"}
    assert sent(route, endpoint, {**body, name: value}, dialect) == {name: value}


@pytest.mark.parametrize(
    ("dialect", "endpoint", "name", "value", "code"),
    [
        (SERVER_DIALECT, CHAT, "dry_sequence_breakers", ["a"] * 100, "out_of_range"),
        (SERVER_DIALECT, CHAT, "dry_sequence_breakers", ["a" * 17], "out_of_range"),
        (SERVER_DIALECT, CHAT, "logit_bias", [[5, 1]] * 1025, "out_of_range"),
        (SERVER_DIALECT, CHAT, "logit_bias", [[5, "x"]], "wrong_type"),
        (SERVER_DIALECT, CHAT, "logit_bias", [5], "wrong_type"),
        (SERVER_DIALECT, CHAT, "n_probs", 100_000, "out_of_range"),
        (SERVER_DIALECT, CHAT, "grammar", "x" * 16_385, "out_of_range"),
        (SERVER_DIALECT, CHAT, "json_schema", {"x": "y" * 16_385}, "out_of_range"),
        (SERVER_DIALECT, CHAT, "reasoning_format", "nonsense", "wrong_type"),
        (SERVER_DIALECT, CHAT, "samplers", ["nonsense"], "wrong_type"),
        (SERVER_DIALECT, CHAT, "id_slot", 1, "unknown_field"),
        (SERVER_DIALECT, CHAT, "repetition_penalty", 1.1, "unknown_field"),
        (SERVER_DIALECT, COMPLETIONS, "echo", True, "field_without_effect"),
        (SERVER_DIALECT, COMPLETIONS, "suffix", "x", "field_without_effect"),
        (SERVER_DIALECT, COMPLETIONS, "best_of", 3, "field_without_effect"),
        (
            *(SERVER_DIALECT, COMPLETIONS, "response_format"),
            *({"type": "json_object"}, "field_without_effect"),
        ),
        (PYTHON_DIALECT, CHAT, "n", 2, "field_without_effect"),
        (PYTHON_DIALECT, CHAT, "logprobs", True, "field_without_effect"),
        (PYTHON_DIALECT, CHAT, "grammar", "root ::= (((", "unknown_field"),
        (PYTHON_DIALECT, CHAT, "messages", [{"role": "developer"}], "wrong_type"),
        (
            *(PYTHON_DIALECT, CHAT, "messages"),
            *([{"role": "user", "content": [{"type": "image_url"}]}], "wrong_type"),
        ),
        (
            *(PYTHON_DIALECT, CHAT, "response_format"),
            *({"type": "json_schema", "json_schema": {}}, "field_without_effect"),
        ),
        (PYTHON_DIALECT, COMPLETIONS, "prompt", ["a", "b"], "wrong_type"),
        (PYTHON_DIALECT, COMPLETIONS, "prompt", [1, 2], "wrong_type"),
        (PYTHON_DIALECT, COMPLETIONS, "logprobs", 1, "field_without_effect"),
        (VLLM, CHAT, "priority", -5, "unknown_field"),
        (VLLM, CHAT, "chat_template", "{{ x }}", "unknown_field"),
        (VLLM, COMPLETIONS, "use_beam_search", True, "unknown_field"),
        (VLLM, COMPLETIONS, "prompt_logprobs", 20, "unknown_field"),
        (VLLM, CHAT, "bad_words", ["x"] * 129, "out_of_range"),
        (OPENAI, CHAT, "top_k", 5, "unknown_field"),
        (SERVER_DIALECT, EMBEDDINGS, "stream", True, "unknown_field"),
        (SERVER_DIALECT, EMBEDDINGS, "dimensions", 64, "field_without_effect"),
        (PYTHON_DIALECT, EMBEDDINGS, "dimensions", 64, "field_without_effect"),
        (VLLM, EMBEDDINGS, "dimensions", 0, "out_of_range"),
        (VLLM, EMBEDDINGS, "input", ["a"] * 2049, "out_of_range"),
    ],
)
def test_field_is_rejected_by_name(route, dialect, endpoint, name, value, code):
    body = {endpoint.required: [{"role": "user"}] if endpoint is CHAT else "a"}
    ((field, found),) = rejected(route, endpoint, {**body, name: value}, dialect)
    assert (field.partition(".")[0], found) == (name, code)


def test_unknown_fields_are_dropped_by_the_setting(route, settings):
    settings.GATEWAY_UNKNOWN_FIELDS = "drop"
    body = {**CHAT_BODY, "id_slot": 1, "top_k": 5}
    assert sent(route, CHAT, body) == {"top_k": 5}
    body = {"prompt": "a", "id_slot": 1, "max_tokens": 2}
    payload = json.loads(native.build_request(body, route, RequestStats()).content)
    assert "id_slot" not in payload
    assert rejected(route, CHAT, {**body, "messages": [5]}) == [
        ("messages.0", "wrong_type")
    ]


def test_fields_of_an_engine_that_does_not_run_are_not_known():
    route = a_route("smol", dialect=OPENAI)
    assert build_request(CHAT, {**CHAT_BODY, "top_k": 5}, route, RequestStats())


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"tools": [a_tool("look")], "tool_choice": a_tool("look")}, []),
        ({"tool_choice": "auto"}, []),
        ({"tool_choice": "required"}, [("tools", "missing_key")]),
        ({"tool_choice": a_tool("look")}, [("tool_choice", "unknown_tool")]),
        (
            {"tools": [a_tool("look")], "tool_choice": a_tool("leap")},
            [("tool_choice", "unknown_tool")],
        ),
    ],
)
def test_tool_choice_names_one_of_the_tools(route, fields, problems):
    body = {**CHAT_BODY, **fields}
    if problems:
        assert rejected(route, CHAT, body) == problems
    else:
        assert sent(route, CHAT, body)


def test_named_tool_is_the_only_one_that_llama_cpp_gets(route):
    tools = [a_tool("look"), a_tool("leap")]
    body = {**CHAT_BODY, "tools": tools, "tool_choice": a_tool("leap")}
    assert sent(route, CHAT, body, VLLM) == {
        "tools": tools,
        "tool_choice": a_tool("leap"),
    }
    assert sent(route, CHAT, body) == {"tools": tools[1:], "tool_choice": "required"}


def test_reasoning_effort_is_a_variable_of_llama_cpps_template(route):
    body = {**CHAT_BODY, "reasoning_effort": "low"}
    kwargs = sent(route, CHAT, body)["chat_template_kwargs"]
    assert kwargs == {"reasoning_effort": "low"}


@pytest.mark.parametrize(
    ("fields", "is_accepted"),
    [
        ({"prompt": ["a"] * 128}, True),
        ({"prompt": ["a"] * 129}, False),
        ({"prompt": ["a"] * 65, "n": 2}, False),
        ({"prompt": [1] * 500, "n": 2}, True),
        ({"prompt": "a", "n": 128}, True),
    ],
)
def test_completions_of_a_request_are_limited(route, fields, is_accepted):
    if is_accepted:
        sent(route, COMPLETIONS, fields)
    else:
        assert rejected(route, COMPLETIONS, fields) == [("prompt", "out_of_range")]


def test_text_parts_are_joined_for_llama_cpp_python(route):
    parts = [{"type": "text", "text": "Hello, "}, {"type": "text", "text": "you"}]
    body = {**CHAT_BODY, "messages": [{"role": "user", "content": parts}]}
    route = a_route("smol", *route.replicas, dialect=PYTHON_DIALECT)
    request = build_request(CHAT, body, route, RequestStats())
    assert json.loads(request.content)["messages"] == [
        {"role": "user", "content": "Hello, you"}
    ]


@pytest.mark.parametrize(
    ("choice", "is_accepted"),
    [("auto", True), ("none", True), (a_tool("look"), True), ("required", False)],
)
def test_llama_cpp_python_ignores_that_a_tool_is_required(route, choice, is_accepted):
    body = {**CHAT_BODY, "tools": [a_tool("look")], "tool_choice": choice}
    if is_accepted:
        assert sent(route, CHAT, body, PYTHON_DIALECT)["tool_choice"] == choice
    else:
        problem = ("tool_choice", "field_without_effect")
        assert rejected(route, CHAT, body, PYTHON_DIALECT) == [problem]
