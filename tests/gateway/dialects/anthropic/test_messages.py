import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic.from_chat import MessageEvents, message_of
from gateway.dialects.anthropic.messages import build_request
from gateway.dialects.chat_translator import ChatTranslator
from gateway.errors import GatewayError
from gateway.protocol.sse import event_data
from gateway.usage.tracker import RequestStats, Usage
from runtimes.frameworks.llamacpp.python_requests import DIALECT as PYTHON_DIALECT
from runtimes.frameworks.llamacpp.requests import SERVER_DIALECT
from runtimes.frameworks.vllm.requests import DIALECT as VLLM
from tests.gateway.client import a_route, fetch

MESSAGES = "/v1/messages"
COUNT = "/v1/messages/count_tokens"
HI = [{"role": "user", "content": "Hi"}]
BODY = {"model": "smol", "max_tokens": 5, "messages": HI}


def completion(message, finish, usage):
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps(
        {"id": "chatcmpl-1", "choices": [choice], "usage": usage}, ensure_ascii=False
    ).encode()


def chunks(message, finish, usage, size):
    """The same as completion(), in pieces of that size."""

    def chunk(delta, reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return event({"id": "chatcmpl-1", "choices": [choice]})

    yield b": waiting\n\n"
    yield chunk({"role": "assistant", "content": None})
    for name in ("reasoning_content", "content"):
        for piece in cut(message.get(name) or "", size):
            yield chunk({name: piece})
    for index, call in enumerate(message.get("tool_calls", [])):
        function = {**call["function"], "arguments": ""}
        yield chunk({"tool_calls": [{**call, "index": index, "function": function}]})
        for piece in cut(call["function"]["arguments"], size):
            yield chunk(
                {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            )
    yield chunk({}, finish)
    yield event({"id": "chatcmpl-1", "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def event(body):
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def cut(text, size):
    return [text[n : n + size] for n in range(0, len(text), size)]


CALLS = st.lists(
    st.builds(
        lambda number, arguments: {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": "look", "arguments": json.dumps(arguments)},
        },
        st.integers(0, 9),
        st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    ),
    max_size=3,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
ANSWERS = st.builds(
    lambda thought, text, calls: {
        "role": "assistant",
        "reasoning_content": thought,
        "content": text,
        "tool_calls": calls,
    },
    *(TEXT, TEXT, CALLS),
)
USAGES = st.builds(
    lambda prompt, cached, completion: {
        "prompt_tokens": prompt + cached,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    },
    *(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
)


@given(
    message=ANSWERS,
    finish=st.sampled_from(["stop", "length", "tool_calls"]),
    usage=USAGES,
    size=st.integers(1, 4),
)
def test_translated_stream_equals_the_translated_whole(message, finish, usage, size):
    whole = ChatTranslator(MessageEvents("smol"), RequestStats()).translate_body(
        completion(message, finish, usage)
    )
    stats = RequestStats()
    translator = ChatTranslator(MessageEvents("smol"), stats)
    sent = [*map(translator.translate_event, chunks(message, finish, usage, size))]
    events = [part + b"\n\n" for part in b"".join(sent).split(b"\n\n") if part]
    streamed = [json.loads(event_data(each)) for each in events]
    assert message_of(streamed) == json.loads(whole)
    assert translator.done
    assert stats.usage == Usage.parse(usage)
    for each, body in zip(events, streamed, strict=True):
        assert each.startswith(b"event: " + body["type"].encode() + b"\n")
    kinds = [body["type"] for body in streamed]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop")


@pytest.mark.parametrize(
    ("message", "finish", "reason"),
    [
        ({"content": "a"}, "stop", "end_turn"),
        ({"content": "a"}, "length", "max_tokens"),
        ({"content": "a"}, "content_filter", "refusal"),
        ({"content": "a"}, None, "end_turn"),
        ({"tool_calls": [{"function": {"name": "look"}}]}, "stop", "tool_use"),
        ({"tool_calls": [{"function": {"name": "a"}}]}, "length", "max_tokens"),
    ],
)
def test_stop_reason_is_anthropics(message, finish, reason):
    content = completion(message, finish, {})
    sent = ChatTranslator(MessageEvents("smol"), RequestStats()).translate_body(content)
    assert json.loads(sent)["stop_reason"] == reason


def test_stop_sequence_is_named_where_the_engine_names_it():
    choice = {"message": {"content": "a"}, "finish_reason": "stop", "stop_reason": "."}
    content = json.dumps({"choices": [choice]}).encode()
    sent = json.loads(
        ChatTranslator(MessageEvents("smol"), RequestStats()).translate_body(content)
    )
    assert (sent["stop_reason"], sent["stop_sequence"]) == ("stop_sequence", ".")


async def test_whole_message_is_translated(gateway, engine, counts):
    response = await fetch(gateway, "POST", MESSAGES, BODY)
    assert response.json == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "smol",
        "content": [{"type": "text", "text": "Hello! 你好"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 31,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 3,
        },
    }
    assert engine.requests[-1]["path"] == "/v1/chat/completions"
    assert engine.body["max_tokens"] == 5
    assert counts()["completion_tokens"] == 3


async def test_stream_is_translated(gateway):
    response = await fetch(gateway, "POST", MESSAGES, {**BODY, "stream": True})
    whole = await fetch(gateway, "POST", MESSAGES, BODY)
    assert message_of(response.events) == whole.json


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"max_tokens": None}, ("max_tokens", "missing_key")),
        ({"max_tokens": 0}, ("max_tokens", "out_of_range")),
        ({"messages": []}, ("messages", "wrong_type")),
        ({"messages": [{"role": "tool"}]}, ("messages.0.role", "wrong_type")),
        ({"messages": [{"role": "user"}]}, ("messages.0.content", "wrong_type")),
        (
            {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
            ("messages.0.content.0.type", "wrong_type"),
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            ("messages.0.content.0.text", "wrong_type"),
        ),
        ({"system": 5}, ("system", "wrong_type")),
        ({"tools": [{"name": "look"}]}, ("tools.0", "wrong_type")),
        ({"tool_choice": {"type": "tool"}}, ("tool_choice", "wrong_type")),
        ({"temperature": 1.5}, ("temperature", "out_of_range")),
        ({"stop_sequences": [""]}, ("stop_sequences.0", "wrong_type")),
        ({"thinking": {"type": "much"}}, ("thinking.type", "wrong_type")),
        ({"top": 5}, ("top", "unknown_field")),
        (
            {"tool_choice": {"type": "tool", "name": "look"}},
            ("tool_choice", "unknown_tool"),
        ),
    ],
)
def test_invalid_field_is_named(engine, change, problem):
    route = a_route("smol", engine.replica)
    with pytest.raises(GatewayError) as caught:
        build_request({**BODY, **change}, route, RequestStats())
    assert [(p.field, p.code) for p in caught.value.problems] == [problem]


@pytest.mark.parametrize(
    ("body", "headers", "status", "kind"),
    [
        ({**BODY, "max_tokens": 0}, [], 400, "invalid_request_error"),
        ({**BODY, "model": "gone"}, [], 404, "not_found_error"),
        (BODY, [("x-api-key", "wrong")], 401, "authentication_error"),
    ],
)
async def test_error_is_in_anthropics_format(gateway, body, headers, status, kind):
    more = {"token": None, "headers": headers} if headers else {}
    response = await fetch(gateway, "POST", MESSAGES, body, **more)
    assert (response.status, response.json["type"]) == (status, "error")
    assert response.json["error"]["type"] == kind
    assert response.json["error"]["message"]


async def test_broken_stream_ends_with_an_error_event(gateway, engine):
    engine.script = replace(engine.script, fails="mid-stream")
    response = await fetch(gateway, "POST", MESSAGES, {**BODY, "stream": True})
    assert response.events[-1]["type"] == "error"
    assert b"event: error\n" in response.content


VLLM_EVENTS = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"1","usage"'
    b':{"input_tokens":9,"cache_read_input_tokens":4,"output_tokens":0}}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta"'
    b':{"type":"text_delta","text":"a"}}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":'
    b'"end_turn"},"usage":{"output_tokens":7}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)


def test_stream_of_an_engine_that_has_messages_passes_through(engine):
    route = a_route("smol", engine.replica, dialect=VLLM, sampling={"top_p": 0.9})
    stats = RequestStats()
    body = {**BODY, "metadata": {"user_id": "a"}, "stream": True}
    request = build_request(body, route, stats)
    assert (request.path, request.stream) == (MESSAGES, True)
    assert json.loads(request.content) == {**BODY, "stream": True, "top_p": 0.9}
    sent = [*map(request.translator.translate_event, VLLM_EVENTS)]
    assert (tuple(sent), request.translator.done) == (VLLM_EVENTS, True)
    assert stats.usage == Usage(prompt_tokens=13, cached_tokens=4, completion_tokens=7)


@pytest.mark.parametrize(
    ("dialect", "status"), [(SERVER_DIALECT, 200), (VLLM, 200), (PYTHON_DIALECT, 400)]
)
async def test_tokens_are_counted_by_engines_that_can(
    gateway, loader, engine, dialect, status
):
    loader.serve(a_route("smol", engine.replica, dialect=dialect))
    body = {"model": "smol", "messages": HI, "system": "Be brief."}
    response = await fetch(gateway, "POST", COUNT, body)
    assert response.status == status
    if status == 200:
        assert response.json == {"input_tokens": 31}
        assert engine.body == body
    else:
        assert response.json["error"]["code"] == "endpoint_not_supported"
