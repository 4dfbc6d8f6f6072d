import pytest

from gateway.protocol.assembly import ResponseAssembler


def assembled(*events):
    assembler = ResponseAssembler()
    for event in events:
        assembler.feed(event)
    return assembler.result()


def chat(*deltas, finish="stop", usage=None):
    common = {"id": "c1", "model": "m", "object": "chat.completion.chunk", "created": 7}
    pieces = [
        {**common, "choices": [{"index": 0, "delta": d, "finish_reason": None}]}
        for d in deltas
    ]
    end = {"index": 0, "delta": {}, "finish_reason": finish}
    return [
        *pieces,
        {**common, "choices": [end]},
        {**common, "choices": [], "usage": usage or {"total_tokens": 3}},
    ]


def test_chat_pieces_become_one_message():
    deltas = [
        {"role": "assistant", "content": None},
        {"content": "Hel"},
        {"content": "lo"},
    ]
    assert assembled(*chat(*deltas)) == {
        "id": "c1",
        "model": "m",
        "object": "chat.completion",
        "created": 7,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hello"},
            }
        ],
        "usage": {"total_tokens": 3},
    }


def test_chat_without_a_piece_has_a_message_without_content():
    [choice] = assembled(*chat())["choices"]
    assert choice["message"] == {"role": "assistant", "content": None}


def test_tool_calls_are_merged_by_index():
    def call(index, **function):
        return {"tool_calls": [{"index": index, "function": function}]}

    first = {
        "tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {}}]
    }
    second = {"tool_calls": [{"index": 1, "id": "b", "type": "function"}]}
    deltas = [
        first, call(0, name="add"), call(0, arguments='{"x":'), second,
        call(1, name="sub", arguments="{}"), call(0, arguments="1}"),
    ]  # fmt: skip
    [choice] = assembled(*chat(*deltas, finish="tool_calls"))["choices"]
    assert choice["message"]["tool_calls"] == [
        {
            "id": "a",
            "type": "function",
            "function": {"name": "add", "arguments": '{"x":1}'},
        },
        {"id": "b", "type": "function", "function": {"name": "sub", "arguments": "{}"}},
    ]


@pytest.mark.parametrize("field", ["reasoning_content", "refusal", "content"])
def test_strings_of_any_field_are_joined(field):
    [choice] = assembled(*chat({field: "a"}, {field: "b"}))["choices"]
    assert choice["message"][field] == "ab"


def test_completions_join_text_and_log_probabilities():
    def piece(text, index=0, **more):
        choice = {"index": index, "text": text, "finish_reason": None, **more}
        return {"object": "text_completion", "choices": [choice]}

    result = assembled(
        piece("a", logprobs={"content": [{"token": "a"}]}),
        piece("x", index=1),
        piece("b", logprobs={"content": [{"token": "b"}]}),
        piece("", finish_reason="length"),
    )
    assert result["object"] == "text_completion"
    assert result["choices"] == [
        {
            "index": 0,
            "text": "ab",
            "finish_reason": "length",
            "logprobs": {"content": [{"token": "a"}, {"token": "b"}]},
        },
        {"index": 1, "text": "x", "finish_reason": None},
    ]
