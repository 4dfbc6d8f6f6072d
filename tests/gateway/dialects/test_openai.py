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
TOOL = {"type": "function", "function": {"name": "look"}}
INPUT = {"model": "smol", "input": "a"}
SMOL = a_route(embeds=True, sampling={"temperature": 0.5})


@pytest.mark.parametrize(
    ("endpoint", "body", "more"),
    [
        (CHAT, CHAT_BODY, {"temperature": 0.5}),
        (CHAT, {**CHAT_BODY, "temperature": 1, "tools": [TOOL]}, {}),
        (CHAT, {**CHAT_BODY, "model": "7"}, {"model": "smol", "temperature": 0.5}),
        (
            CHAT,
            {**CHAT_BODY, "stream": True},
            {"temperature": 0.5},
        ),
        (
            COMPLETIONS,
            {**PROMPT, "stream": True, "stream_options": {"x": 1}},
            {"temperature": 0.5},
        ),
        (COMPLETIONS, {**PROMPT, "prompt": [1, 2]}, {"temperature": 0.5}),
        (EMBEDDINGS, {**INPUT, "encoding_format": "base64"}, {}),
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


def chunk(choices, **more):
    content = json.dumps({"id": "c1", "choices": choices, **more})
    return f"data: {content}\n\n".encode()


def through(translator, *events):
    """Data of the events that reach the client."""
    content = b"".join(map(translator.translate_event, events))
    data = [line for line in content.decode().split("\n\n") if line]
    return [json.loads(line.removeprefix("data: ")) for line in data[:-1]], data[-1]


def usage(prompt, completion):
    total = prompt + completion
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {**counts, "total_tokens": total}


@pytest.mark.parametrize("include_usage", [True, False])
def test_stream_is_the_same_however_bytes_are_split(include_usage):
    body = {"model": "smol", "stream_options": {"include_usage": True}}
    script = Script(pieces=('"usage"', "\n\n"))
    sent = [b": ping\n\n", *stream(CHAT.path, body, script)]
    alone = b'"choices": []'
    expected = [event for event in sent if include_usage or alone not in event]
    content = b"".join(sent)
    for size in (1, 7, 64, len(content)):
        stats = RequestStats()
        translator = OpenAITranslator(stats, include_usage, 1)
        splitter, received = EventSplitter(), b""
        for begin in range(0, len(content), size):
            pieces = splitter.feed(content[begin : begin + size])
            received += b"".join(map(translator.translate_event, pieces))
        assert received == b"".join(expected)
        assert translator.done
        assert stats.usage == Usage(prompt_tokens=31, completion_tokens=3)


ONE, TWO = {"index": 0, "finish_reason": "stop"}, {"index": 1, "finish_reason": "stop"}
DONE_EVENT = b"data: [DONE]\n\n"


@pytest.mark.parametrize("include_usage", [True, False])
@pytest.mark.parametrize(
    ("n", "events", "choices", "total"),
    [
        pytest.param(
            2,
            [
                chunk([ONE]),
                chunk([], usage=usage(9, 4)),
                chunk([TWO]),
                chunk([], usage=usage(9, 5)),
            ],
            [[ONE], [TWO]],
            usage(9, 9),
            id="llama.cpp, chat",
        ),
        pytest.param(
            1,
            [chunk([ONE], usage=usage(2, 3)), chunk([TWO], usage=usage(4, 5))],
            [[ONE], [TWO]],
            usage(6, 8),
            id="llama.cpp, completions",
        ),
        pytest.param(
            2,
            [chunk([ONE]), chunk([TWO]), chunk([], usage=usage(9, 8))],
            [[ONE], [TWO]],
            usage(9, 8),
            id="vLLM",
        ),
        pytest.param(1, [chunk([], usage=None)], [[]], None, id="no usage"),
    ],
)
def test_stream_has_one_usage_chunk_with_the_sum(
    n, events, choices, total, include_usage
):
    stats = RequestStats()
    translator = OpenAITranslator(stats, include_usage, n)
    pieces, done = through(translator, *events, DONE_EVENT)
    assert done == "data: [DONE]"
    with_usage = [piece for piece in pieces if piece.get("usage")]
    rest = [piece["choices"] for piece in pieces if piece not in with_usage]
    assert rest == choices
    if total and include_usage:
        assert with_usage == [{"id": "c1", "choices": [], "usage": total}]
        assert pieces[-1] == with_usage[0]
    else:
        assert with_usage == []
    if total:
        assert stats.usage.prompt_tokens == total["prompt_tokens"]
        assert stats.usage.completion_tokens == total["completion_tokens"]


@pytest.mark.parametrize(
    ("events", "passes"),
    [
        (b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\n' * 3, True),
        (b'data: {"choices": [{"delta": {"content": null}}]}\n\n', True),
        (b": comment\n\n", True),
        (b"data: [DONE]\n\n", False),
        (b"data: null\n\n", False),
        (b'data: {"error": {"code": 500}}\n\n', False),
        (b'data: {"choices": [], "usage": {}}\n\n', False),
    ],
)
def test_events_without_a_change_pass(events, passes):
    assert OpenAITranslator(RequestStats(), True, 1).passes(events) == passes
