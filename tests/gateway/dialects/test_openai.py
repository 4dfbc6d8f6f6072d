import json

import pytest

from gateway.dialects.openai import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    OpenAITranslator,
    build_request,
    model_name,
)
from gateway.errors import GatewayError
from gateway.protocol.sse import EventSplitter
from gateway.usage.tracker import RequestStats, Usage
from tests.gateway.client import CHAT_BODY, STREAMED, a_route
from tests.gateway.engine import Script, stream

PROMPT = {"model": "smol", "prompt": "a"}
INPUT = {"model": "smol", "input": "a"}
SMOL = a_route(embeds=True, sampling={"temperature": 0.5})


@pytest.mark.parametrize(
    ("endpoint", "body", "more"),
    [
        (CHAT, CHAT_BODY, {"temperature": 0.5}),
        (CHAT, {**CHAT_BODY, "temperature": 1, "tools": [{}]}, {}),
        (CHAT, {**CHAT_BODY, "model": "7"}, {"model": "smol", "temperature": 0.5}),
        (
            CHAT,
            {**CHAT_BODY, "stream": True},
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
    request = build_request(endpoint, body, SMOL, RequestStats())
    streamed = STREAMED if endpoint.is_generation else {}
    assert json.loads(request.content) == {**body, **streamed, **more}
    assert request.path == endpoint.path
    assert request.stream == (endpoint.is_generation and body.get("stream", False))


@pytest.mark.parametrize(
    ("endpoint", "body", "fields"),
    [
        (CHAT, {}, ["messages"]),
        (CHAT, {"messages": 5, "temperature": "x"}, ["temperature", "messages"]),
        (COMPLETIONS, {"prompt": None, "top_p": 2}, ["prompt", "top_p"]),
        (EMBEDDINGS, {}, ["input"]),
    ],
)
def test_every_problem_of_a_body_is_reported(endpoint, body, fields):
    with pytest.raises(GatewayError) as caught:
        build_request(endpoint, body, SMOL, RequestStats())
    assert sorted(p.field for p in caught.value.problems) == sorted(fields)


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": 7}, {"model": []}])
def test_model_must_be_a_string(body):
    with pytest.raises(GatewayError) as caught:
        model_name(body)
    assert [problem.field for problem in caught.value.problems] == ["model"]


@pytest.mark.parametrize("include_usage", [True, False])
@pytest.mark.parametrize("path", [CHAT.path, COMPLETIONS.path])
def test_stream_is_the_same_however_bytes_are_split(path, include_usage):
    body = {"model": "smol", "stream_options": {"include_usage": True}}
    sent = [b": ping\n\n", *stream(path, body, Script(pieces=('"usage"', "\n\n")))]
    alone = b'"choices": []'
    expected = [event for event in sent if include_usage or alone not in event]
    content = b"".join(sent)
    for size in (1, 7, 64, len(content)):
        stats = RequestStats()
        translator = OpenAITranslator(stats, include_usage)
        splitter, received = EventSplitter(), b""
        for begin in range(0, len(content), size):
            pieces = splitter.feed(content[begin : begin + size])
            received += b"".join(map(translator.translate_event, pieces))
        assert received == b"".join(expected)
        assert translator.done
        assert stats.usage == Usage(prompt_tokens=31, completion_tokens=3)


def test_last_usage_of_a_stream_counts():
    """As vLLM sends them with continuous_usage_stats."""
    stats = RequestStats()
    translator = OpenAITranslator(stats, include_usage=False)
    for completion in range(3):
        usage = {"prompt_tokens": 5, "completion_tokens": completion}
        event = {"choices": [{}], "usage": usage}
        content = b"data: " + json.dumps(event).encode() + b"\n\n"
        assert translator.translate_event(content) == content
    assert stats.usage == Usage(prompt_tokens=5, completion_tokens=2)


def test_empty_choices_without_usage_pass():
    event = b'data: {"choices": [], "usage": null}\n\n'
    assert (
        OpenAITranslator(RequestStats(), include_usage=False).translate_event(event)
        == event
    )
