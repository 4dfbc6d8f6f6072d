import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.chat_translator import ChatTranslator
from gateway.dialects.responses.from_chat import ResponseEvents
from gateway.dialects.responses.responses import build_request
from gateway.dialects.responses.to_chat import to_chat
from gateway.errors import GatewayError
from gateway.protocol.sse import event_data
from gateway.usage.tracker import RequestStats, Usage
from runtimes.frameworks.vllm.requests import DIALECT as VLLM
from tests.gateway.client import a_route, fetch
from tests.gateway.dialects.anthropic.test_messages import (
    ANSWERS,
    USAGES,
    chunks,
    completion,
)

RESPONSES = "/v1/responses"
BODY = {"model": "smol", "input": "Hi"}
HI = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}
CALL = {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"}
FUNCTION = {"name": "look", "arguments": "{}"}
CALLS = [{"id": "1", "type": "function", "function": FUNCTION}]


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        ("Hi", [HI]),
        ([HI], [HI]),
        ([{"type": "message", **HI}], [HI]),
        ([{**HI, "content": [{"type": "input_text", "text": "Hi"}]}], [HI]),
        ([{**HI, "role": "developer"}], [{**HI, "role": "system"}]),
        (
            [{**HI, "content": [{"type": "input_image", "image_url": "data:x"}]}],
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:x"}}],
                }
            ],
        ),
        (
            [
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "I look."}],
                },
                CALL,
                {"type": "function_call_output", "call_id": "1", "output": "a cat"},
            ],
            [
                {"role": "assistant", "content": "I look.", "tool_calls": CALLS},
                {"role": "tool", "tool_call_id": "1", "content": "a cat"},
            ],
        ),
        ([CALL], [{"role": "assistant", "content": None, "tool_calls": CALLS}]),
    ],
)
def test_input_becomes_messages(items, messages):
    assert to_chat({**BODY, "input": items}) == {"messages": messages}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"temperature": 0, "top_p": 1, "stream": True}, None),
        ({"max_output_tokens": 5}, {"max_tokens": 5}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "look"}},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "look", "parameters": {"type": "object"}},
                    }
                ],
                "tool_choice": {"type": "function", "function": {"name": "look"}},
            },
        ),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"text": {"format": {"type": "text"}}}, {"response_format": {"type": "text"}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {}},
                }
            },
        ),
    ],
)
def test_fields_become_those_of_a_chat(fields, expected):
    more = fields if expected is None else expected
    assert to_chat({**BODY, **fields}) == {"messages": [HI], **more}


@given(
    message=ANSWERS,
    finish=st.sampled_from(["stop", "length", "tool_calls"]),
    usage=USAGES,
    size=st.integers(1, 4),
)
def test_translated_stream_equals_the_translated_whole(message, finish, usage, size):
    whole = json.loads(
        ChatTranslator(ResponseEvents("smol", BODY), RequestStats()).translate_body(
            completion(message, finish, usage)
        )
    )
    stats = RequestStats()
    translator = ChatTranslator(ResponseEvents("smol", BODY), stats)
    sent = [*map(translator.translate_event, chunks(message, finish, usage, size))]
    events = [part + b"\n\n" for part in b"".join(sent).split(b"\n\n") if part]
    streamed = [json.loads(event_data(each)) for each in events]
    assert streamed[-1]["response"] == whole
    assert translator.done
    assert stats.usage == Usage.parse(usage)
    assert [each["sequence_number"] for each in streamed] == [*range(len(streamed))]
    for each, body in zip(events, streamed, strict=True):
        assert each.startswith(b"event: " + body["type"].encode() + b"\n")
    done = [e["item"] for e in streamed if e["type"] == "response.output_item.done"]
    assert done == whole["output"]
    texts = {"output_text": "", "reasoning_text": "", "function_call_arguments": ""}
    for body in streamed:
        name, _, end = body["type"].removeprefix("response.").partition(".")
        if end == "delta":
            texts[name] += body["delta"]
    arguments = [call["function"]["arguments"] for call in message["tool_calls"]]
    assert texts == {
        "output_text": message["content"],
        "reasoning_text": message["reasoning_content"],
        "function_call_arguments": "".join(arguments),
    }


async def test_whole_response_is_translated(gateway, engine, counts):
    body = {**BODY, "max_output_tokens": 5, "metadata": {"a": "b"}}
    response = await fetch(gateway, "POST", RESPONSES, body)
    found = response.json
    assert (found["object"], found["status"]) == ("response", "completed")
    (item,) = found["output"]
    assert item["content"][0]["text"] == "Hello! 你好"
    assert found["usage"]["total_tokens"] == 34
    assert (found["max_output_tokens"], found["metadata"]) == (5, {"a": "b"})
    assert engine.requests[-1]["path"] == "/v1/chat/completions"
    assert counts()["completion_tokens"] == 3


async def test_stream_is_translated(gateway):
    response = await fetch(gateway, "POST", RESPONSES, {**BODY, "stream": True})
    whole = await fetch(gateway, "POST", RESPONSES, BODY)
    assert response.events[-1]["response"] == whole.json


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"input": None}, ("input", "missing_key")),
        ({"input": []}, ("input", "wrong_type")),
        ({"input": [{"type": "item_reference"}]}, ("input.0.type", "wrong_type")),
        ({"input": [{"role": "tool"}]}, ("input.0.role", "wrong_type")),
        ({"input": [{**HI, "content": 5}]}, ("input.0.content", "wrong_type")),
        (
            {"input": [{"type": "function_call", "name": "a"}]},
            ("input.0.call_id", "wrong_type"),
        ),
        ({"max_output_tokens": 0}, ("max_output_tokens", "out_of_range")),
        ({"tools": [{"type": "web_search"}]}, ("tools.0", "wrong_type")),
        ({"tool_choice": "maybe"}, ("tool_choice", "wrong_type")),
        ({"text": {"format": {"type": "x"}}}, ("text.format.type", "wrong_type")),
        ({"background": True}, ("background", "field_without_effect")),
        (
            {"previous_response_id": "resp_1"},
            ("previous_response_id", "field_without_effect"),
        ),
        ({"top": 5}, ("top", "unknown_field")),
    ],
)
def test_invalid_field_is_named(engine, change, problem):
    route = a_route("smol", engine.replica)
    with pytest.raises(GatewayError) as caught:
        build_request({**BODY, **change}, route, RequestStats())
    assert [(p.field, p.code) for p in caught.value.problems] == [problem]


USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
}
COUNTED = Usage(
    prompt_tokens=9, cached_tokens=4, completion_tokens=7, reasoning_tokens=2
)


def test_engine_that_has_responses_is_passed_through(engine):
    route = a_route("smol", engine.replica, dialect=VLLM, sampling={"top_p": 0.9})
    stats = RequestStats()
    request = build_request({**BODY, "user": "ann", "top_k": 5}, route, stats)
    assert (request.path, request.stream) == (RESPONSES, False)
    assert json.loads(request.content) == {**BODY, "top_k": 5, "top_p": 0.9}
    content = json.dumps({"id": "resp_1", "error": None, "usage": USAGE}).encode()
    assert request.translator.translate_body(content) == content
    assert stats.usage == COUNTED


def test_stream_of_an_engine_that_has_responses_passes_through(engine):
    route = a_route("smol", engine.replica, dialect=VLLM)
    stats = RequestStats()
    request = build_request({**BODY, "stream": True}, route, stats)
    end = json.dumps({"response": {"error": None, "usage": USAGE}}).encode()
    events = (
        b'event: response.created\ndata: {"response":{"error":null}}\n\n',
        b'event: response.output_text.delta\ndata: {"delta":"\\"error\\""}\n\n',
        b"event: response.completed\ndata: " + end + b"\n\n",
    )
    assert tuple(map(request.translator.translate_event, events)) == events
    assert request.translator.done
    assert stats.usage == COUNTED
