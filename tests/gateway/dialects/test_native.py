import json

import pytest

from gateway.dialects.native import NativeReply, request_of
from gateway.engines.errors import EngineRefusedError
from gateway.errors import GatewayError
from gateway.protocol.sse import Events
from gateway.usage.tracker import Measured, Usage
from tests.gateway.client import ASK, STREAMED, a_route
from tests.gateway.engine import Script, stream, whole

CHAT = "/v1/chat/completions"
HISTORY = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"prompt": "a"}, {"messages": [{"role": "user", "content": "a"}]}),
        ({"prompt": ""}, {"messages": [{"role": "user", "content": ""}]}),
        ({"messages": HISTORY}, {"messages": HISTORY}),
        ({"messages": HISTORY, "prompt": None}, {"messages": HISTORY}),
        (
            {"messages": HISTORY, "stop": ["."], "seed": 1, "stream": False},
            {"messages": HISTORY, "stop": ["."], "seed": 1},
        ),
        ({"messages": HISTORY, "stream": True}, {"messages": HISTORY}),
    ],
)
def test_body_becomes_a_chat(body, asked):
    request = request_of(body, a_route(), Measured())
    assert json.loads(request.content) == {"model": "smol", **asked, **STREAMED}
    assert request.path == CHAT
    assert request.stream == body.get("stream", False)


def test_every_problem_of_a_body_is_told():
    with pytest.raises(GatewayError) as caught:
        request_of({"promt": "a", "top_p": 5, "stream": 0}, a_route(), Measured())
    found = [(problem.field, problem.code) for problem in caught.value.problems]
    assert found == [
        ("promt", "unknown_field"),
        ("top_p", "out_of_range"),
        ("stream", "wrong_type"),
        ("prompt", "prompt_or_messages"),
    ]
    assert caught.value.problems[0].params["nearest"] == "prompt"


def events_of(content):
    return [json.loads(e[6:]) for e in Events().feed(content) if b"[DONE]" not in e]


def test_stream_is_the_same_however_bytes_are_split():
    body = {"model": "smol", "stream_options": {"include_usage": True}}
    content = b": ping\n\n" + b"".join(stream(CHAT, body, Script()))
    for size in (1, 7, 64, len(content)):
        measured = Measured()
        reply, events, told = NativeReply("smol", measured), Events(), b""
        for begin in range(0, len(content), size):
            pieces = events.feed(content[begin : begin + size])
            told += b"".join(map(reply.event, pieces))
        *pieces, last = events_of(told)
        assert [piece["text"] for piece in pieces] == ["Hello", "!", " 你好"]
        assert (last["finish_reason"], last["usage"]["total_tokens"]) == ("stop", 34)
        assert reply.done
        assert measured.usage == Usage(prompt_tokens=31, completion_tokens=3)


def test_stream_without_usage_ends_all_the_same():
    content = b"".join(stream(CHAT, {"model": "smol"}, Script()))
    reply = NativeReply("smol", Measured())
    told = b"".join(map(reply.event, Events().feed(content)))
    assert events_of(told)[-1]["usage"]["total_tokens"] == 0
    assert told.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("change", "text", "reason"),
    [
        ({}, "Hi", "stop"),
        ({"message": {"content": None}}, "", "stop"),
        ({"message": None, "finish_reason": "length"}, "", "length"),
    ],
)
def test_whole_answer_is_translated(change, text, reason):
    answer = whole(CHAT, {"model": "x"}, ["Hi"])
    answer["choices"][0] |= change
    told = NativeReply("smol", Measured()).whole(json.dumps(answer).encode())
    told = json.loads(told)
    assert (told["model"], told["text"]) == ("smol", text)
    assert told["finish_reason"] == reason


@pytest.mark.parametrize(
    "content", [b"", b"null", b"<html>", b'{"error": {"message": "x"}}']
)
def test_answer_that_is_none_is_refused(content):
    with pytest.raises(EngineRefusedError):
        NativeReply("smol", Measured()).whole(content)


def test_ask_of_the_guide_fits():
    body = {**ASK, "max_tokens": 100, "temperature": 0.7}
    asked = json.loads(request_of(body, a_route(), Measured()).content)
    assert (asked["max_tokens"], asked["temperature"]) == (100, 0.7)
