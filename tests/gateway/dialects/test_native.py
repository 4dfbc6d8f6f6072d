import json

import pytest

from gateway.dialects.native import NativeTranslator, build_request
from gateway.engines.errors import EngineRejectedError
from gateway.errors import GatewayError
from gateway.protocol.sse import EventSplitter
from gateway.usage.tracker import RequestStats, Usage
from tests.gateway.client import PROMPT, STREAMED, a_route
from tests.gateway.engine import Script, complete, stream

CHAT = "/v1/chat/completions"
HISTORY = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    ("body", "payload"),
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
def test_body_becomes_a_chat(body, payload):
    request = build_request(body, a_route(), RequestStats())
    assert json.loads(request.content) == {"model": "smol", **payload, **STREAMED}
    assert request.path == CHAT
    assert request.stream == body.get("stream", False)


def test_every_problem_of_a_body_is_reported():
    with pytest.raises(GatewayError) as caught:
        build_request(
            {"promt": "a", "top_p": 5, "stream": 0}, a_route(), RequestStats()
        )
    found = [(problem.field, problem.code) for problem in caught.value.problems]
    assert found == [
        ("promt", "unknown_field"),
        ("top_p", "out_of_range"),
        ("stream", "wrong_type"),
        ("prompt", "prompt_or_messages"),
    ]
    assert caught.value.problems[0].params["nearest"] == "prompt"


def events_of(content):
    return [
        json.loads(e[6:]) for e in EventSplitter().feed(content) if b"[DONE]" not in e
    ]


def test_stream_is_the_same_however_bytes_are_split():
    body = {"model": "smol", "stream_options": {"include_usage": True}}
    content = b": ping\n\n" + b"".join(stream(CHAT, body, Script()))
    for size in (1, 7, 64, len(content)):
        stats = RequestStats()
        translator = NativeTranslator("smol", stats)
        splitter, received = EventSplitter(), b""
        for begin in range(0, len(content), size):
            pieces = splitter.feed(content[begin : begin + size])
            received += b"".join(map(translator.translate_event, pieces))
        *pieces, last = events_of(received)
        assert [piece["text"] for piece in pieces] == ["Hello", "!", " 你好"]
        assert (last["finish_reason"], last["usage"]["total_tokens"]) == ("stop", 34)
        assert translator.done
        assert stats.usage == Usage(prompt_tokens=31, completion_tokens=3)


def test_stream_without_usage_ends_all_the_same():
    content = b"".join(stream(CHAT, {"model": "smol"}, Script()))
    translator = NativeTranslator("smol", RequestStats())
    sent = b"".join(map(translator.translate_event, EventSplitter().feed(content)))
    assert events_of(sent)[-1]["usage"]["total_tokens"] == 0
    assert sent.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("change", "text", "reason"),
    [
        ({}, "Hi", "stop"),
        ({"message": {"content": None}}, "", "stop"),
        ({"message": None, "finish_reason": "length"}, "", "length"),
    ],
)
def test_complete_response_is_translated(change, text, reason):
    response = complete(CHAT, {"model": "x"}, ["Hi"])
    response["choices"][0] |= change
    sent = NativeTranslator("smol", RequestStats()).translate_body(
        json.dumps(response).encode()
    )
    sent = json.loads(sent)
    assert (sent["model"], sent["text"]) == ("smol", text)
    assert sent["finish_reason"] == reason


@pytest.mark.parametrize(
    "content", [b"", b"null", b"<html>", b'{"error": {"message": "x"}}']
)
def test_invalid_response_is_rejected(content):
    with pytest.raises(EngineRejectedError):
        NativeTranslator("smol", RequestStats()).translate_body(content)


def test_request_of_the_user_guide_is_valid():
    body = {**PROMPT, "max_tokens": 100, "temperature": 0.7}
    payload = json.loads(build_request(body, a_route(), RequestStats()).content)
    assert (payload["max_tokens"], payload["temperature"]) == (100, 0.7)
