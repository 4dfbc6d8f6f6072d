import json

import pytest

from gateway.dialects.openai import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    OpenAIReply,
    model_of,
    request_of,
)
from gateway.errors import GatewayError
from gateway.protocol.sse import Events
from gateway.usage.tracker import Measured, Usage
from tests.gateway.client import CHAT_ASK, STREAMED, a_route
from tests.gateway.engine import Script, stream

PROMPT = {"model": "smol", "prompt": "a"}
INPUT = {"model": "smol", "input": "a"}
SMOL = a_route(embeds=True, sampling={"temperature": 0.5})


@pytest.mark.parametrize(
    ("endpoint", "body", "more"),
    [
        (CHAT, CHAT_ASK, {"temperature": 0.5}),
        (CHAT, {**CHAT_ASK, "temperature": 1, "tools": [{}]}, {}),
        (CHAT, {**CHAT_ASK, "model": "7"}, {"model": "smol", "temperature": 0.5}),
        (
            CHAT,
            {**CHAT_ASK, "stream": True},
            {"temperature": 0.5},
        ),
        (
            COMPLETIONS,
            {**PROMPT, "stream": True, "stream_options": {"x": 1}},
            {"temperature": 0.5, "stream_options": {"x": 1, "include_usage": True}},
        ),
        (COMPLETIONS, {**PROMPT, "prompt": [1, 2]}, {"temperature": 0.5}),
        (EMBEDDINGS, {**INPUT, "stream": True}, {}),
    ],
)
def test_body_passes_through_with_defaults(endpoint, body, more):
    request = request_of(endpoint, body, SMOL, Measured())
    streamed = STREAMED if endpoint.samples else {}
    assert json.loads(request.content) == {**body, **streamed, **more}
    assert request.path == endpoint.path
    assert request.stream == (endpoint.samples and body.get("stream", False))


@pytest.mark.parametrize(
    ("endpoint", "body", "fields"),
    [
        (CHAT, {}, ["messages"]),
        (CHAT, {"messages": 5, "temperature": "x"}, ["temperature", "messages"]),
        (COMPLETIONS, {"prompt": None, "top_p": 2}, ["prompt", "top_p"]),
        (EMBEDDINGS, {}, ["input"]),
    ],
)
def test_every_problem_of_a_body_is_told(endpoint, body, fields):
    with pytest.raises(GatewayError) as caught:
        request_of(endpoint, body, SMOL, Measured())
    assert sorted(p.field for p in caught.value.problems) == sorted(fields)


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": 7}, {"model": []}])
def test_model_is_needed_as_text(body):
    with pytest.raises(GatewayError) as caught:
        model_of(body)
    assert [problem.field for problem in caught.value.problems] == ["model"]


@pytest.mark.parametrize("wants_usage", [True, False])
@pytest.mark.parametrize("path", [CHAT.path, COMPLETIONS.path])
def test_stream_is_the_same_however_bytes_are_split(path, wants_usage):
    body = {"model": "smol", "stream_options": {"include_usage": True}}
    sent = [b": ping\n\n", *stream(path, body, Script(pieces=('"usage"', "\n\n")))]
    alone = b'"choices": []'
    expected = [event for event in sent if wants_usage or alone not in event]
    content = b"".join(sent)
    for size in (1, 7, 64, len(content)):
        measured = Measured()
        reply, events, told = OpenAIReply(measured, wants_usage), Events(), b""
        for begin in range(0, len(content), size):
            pieces = events.feed(content[begin : begin + size])
            told += b"".join(map(reply.event, pieces))
        assert told == b"".join(expected)
        assert reply.done
        assert measured.usage == Usage(prompt_tokens=31, completion_tokens=3)


def test_usage_of_every_piece_is_read_to_the_last():
    """As vLLM sends them with continuous_usage_stats."""
    measured = Measured()
    reply = OpenAIReply(measured, wants_usage=False)
    for completion in range(3):
        usage = {"prompt_tokens": 5, "completion_tokens": completion}
        event = {"choices": [{}], "usage": usage}
        content = b"data: " + json.dumps(event).encode() + b"\n\n"
        assert reply.event(content) == content
    assert measured.usage == Usage(prompt_tokens=5, completion_tokens=2)


def test_empty_choices_without_usage_pass():
    event = b'data: {"choices": [], "usage": null}\n\n'
    assert OpenAIReply(Measured(), wants_usage=False).event(event) == event
