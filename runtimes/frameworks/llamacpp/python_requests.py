"""What llama-cpp-python reads of a request: less than OpenAI's API has.

It keeps no logits to make log probabilities of, and a grammar with a mistake ends its
process, so it gets none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.problems import Problem, wrong_type
from common.request_fields.checks import (
    INT32_MAX,
    Check,
    choice,
    integer,
    list_of,
    number,
    text,
    without_effect,
)
from common.request_fields.dialect import Body, EngineDialect

MAX_MESSAGES = 100_000
MAX_SUFFIX_BYTES = 64 * 1024
ROLES = ("system", "user", "assistant", "tool", "function")
TEXT = "string or list of text parts"


def _message(name: str, value: object) -> Problem | None:
    if not isinstance(value, dict):
        return wrong_type(name, value, "object with role and content")
    content = value.get("content")
    if isinstance(content, list):
        if not all(map(_is_text, content)):
            return wrong_type(f"{name}.content", content, TEXT)
    elif content is not None and not isinstance(content, str):
        return wrong_type(f"{name}.content", content, TEXT)
    return choice(*ROLES)(f"{name}.role", value.get("role"))


def _messages(name: str, value: object) -> Problem | None:
    if value == []:
        return wrong_type(name, value, "list of at least one message")
    return list_of(_message, MAX_MESSAGES)(name, value)


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def _one_text(name: str, value: object) -> Problem | None:
    """It fails on several prompts, and on tokens."""
    is_one = isinstance(value, list) and len(value) == 1 and isinstance(value[0], str)
    if is_one or isinstance(value, str):
        return None
    return wrong_type(name, value, "string")


def _tool_choice(name: str, value: object) -> Problem | None:
    """A function named in it was checked by the gateway; required has no effect."""
    if isinstance(value, dict):
        function = value.get("function")
        is_named = isinstance(function, dict) and isinstance(function.get("name"), str)
        return None if is_named else wrong_type(name, value, "object")
    return without_effect("none", "auto")(name, value)


def _adapt(body: Body) -> Body:
    """It joins the content of messages to strings."""
    if "messages" not in body:
        return body
    return {**body, "messages": [_joined(message) for message in body["messages"]]}


def _joined(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": "".join(part["text"] for part in content)}


def _adapt_tokenize(body: Body) -> Body:
    return {"model": body["model"], "input": body["prompt"]}


SHARED: Mapping[str, Check] = {
    "top_k": integer(-1, INT32_MAX),
    "min_p": number(0, 1),
    "repeat_penalty": number(0, 100),
    "min_tokens": integer(0, INT32_MAX),
    "mirostat_mode": integer(0, 2),
    "mirostat_tau": number(0, 100),
    "mirostat_eta": number(0, 1),
    "logit_bias_type": choice("input_ids", "tokens"),
    "n": without_effect(1),
}
DIALECT = EngineDialect(
    chat={
        **SHARED,
        "messages": _messages,
        "tool_choice": _tool_choice,
        "logprobs": without_effect(False),
        "top_logprobs": without_effect(0),
        "reasoning_effort": without_effect(),
        "response_format": without_effect({"type": "text"}, {"type": "json_object"}),
    },
    completions={
        **SHARED,
        "prompt": _one_text,
        "logprobs": without_effect(),
        "suffix": text(MAX_SUFFIX_BYTES),
    },
    # Clients of OpenAI request base64 on their own, and read numbers as well.
    embeddings={"dimensions": without_effect()},
    tokenize={"add_special_tokens": without_effect(True)},
    adapt=_adapt,
    adapt_tokenize=_adapt_tokenize,
    paths={"tokenize": "/extras/tokenize"},
)
