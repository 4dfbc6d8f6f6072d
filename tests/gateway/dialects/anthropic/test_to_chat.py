import pytest

from gateway.dialects.anthropic.to_chat import to_chat
from runtimes.frameworks.llamacpp.requests import SERVER_DIALECT

HI = [{"role": "user", "content": "Hi"}]
BODY = {"model": "smol", "max_tokens": 5, "messages": HI}
SCHEMA = {"type": "object"}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "你"}}


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


def text(value):
    return {"type": "text", "text": value}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (HI, HI),
        ([{"role": "user", "content": [text("Hi")]}], HI),
        (
            [{"role": "user", "content": [text("a"), text("b")]}],
            [{"role": "user", "content": [text("a"), text("b")]}],
        ),
        (
            [{"role": "user", "content": [{"type": "image", "source": PIXEL}]}],
            [{"role": "user", "content": [image("data:image/png;base64,AAAA")]}],
        ),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "url", "url": "http://x"}}
                    ],
                }
            ],
            [{"role": "user", "content": [image("http://x")]}],
        ),
        (
            [
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "x"},
                        text("I look."),
                        CALL,
                    ],
                }
            ],
            [
                {
                    "role": "assistant",
                    "content": "I look.",
                    "reasoning_content": "hm",
                    "tool_calls": [
                        {
                            "id": "t1",
                            "type": "function",
                            "function": {"name": "look", "arguments": '{"at": "你"}'},
                        }
                    ],
                }
            ],
        ),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t1",
                            "content": [
                                text("a cat"),
                                {"type": "image", "source": PIXEL},
                            ],
                        },
                        {"type": "tool_result", "tool_use_id": "t2"},
                        text("So?"),
                    ],
                }
            ],
            [
                {"role": "tool", "tool_call_id": "t1", "content": "a cat"},
                {"role": "user", "content": [image("data:image/png;base64,AAAA")]},
                {"role": "tool", "tool_call_id": "t2", "content": ""},
                {"role": "user", "content": "So?"},
            ],
        ),
    ],
)
def test_messages_become_those_of_a_chat(messages, expected):
    chat = to_chat({**BODY, "messages": messages}, {})
    assert chat == {"max_tokens": 5, "messages": expected}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"temperature": 0, "top_p": 1, "top_k": 3, "stream": True}, None),
        ({"stop_sequences": ["a"]}, {"stop": ["a"]}),
        (
            {"tools": [{"name": "look", "input_schema": SCHEMA, "description": "d"}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": "look",
                            "description": "d",
                            "parameters": SCHEMA,
                        },
                    }
                ]
            },
        ),
        ({"tool_choice": {"type": "auto"}}, {"tool_choice": "auto"}),
        ({"tool_choice": {"type": "any"}}, {"tool_choice": "required"}),
        (
            {"tool_choice": {"type": "none", "disable_parallel_tool_use": True}},
            {"tool_choice": "none", "parallel_tool_calls": False},
        ),
        (
            {"tool_choice": {"type": "tool", "name": "look"}},
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        ),
        (
            {
                "output_config": {
                    "effort": "low",
                    "format": {"type": "json_schema", "schema": SCHEMA},
                }
            },
            {
                "reasoning_effort": "low",
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "output", "schema": SCHEMA},
                },
            },
        ),
        (
            {"thinking": {"type": "disabled"}},
            {"chat_template_kwargs": {"enable_thinking": False}},
        ),
        ({"thinking": {"type": "adaptive"}}, {}),
        ({"metadata": {"user_id": "ann"}, "service_tier": "auto"}, {}),
    ],
)
def test_fields_become_those_of_a_chat(fields, expected):
    chat = to_chat({**BODY, **fields}, SERVER_DIALECT.chat)
    more = fields if expected is None else expected
    assert chat == {"max_tokens": 5, "messages": HI, **more}


@pytest.mark.parametrize("system", ["Be brief.", [text("Be brief.")]])
def test_system_prompt_comes_first(system):
    chat = to_chat({**BODY, "system": system}, {})
    assert chat["messages"] == [{"role": "system", "content": "Be brief."}, *HI]
