"""Fields of requests, with their bounds: those of OpenAI's API. Pure.

Engines check less than they should: some of these values cost them minutes, or GiB of
response. Engines add fields of their own and narrow others
(common.request_fields.dialect).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from common.problems import Problem, out_of_range, wrong_type
from common.request_fields.checks import (
    INT32_MAX,
    INT64_MAX,
    Check,
    boolean,
    choice,
    integer,
    list_of,
    mapping,
    number,
    of_type,
    sized,
    text,
    without_effect,
)
from common.request_fields.dialect import Body
from gateway.protocol.validation import each_message, has_role

MAX_STOPS = 128
MAX_STOP_BYTES = 1024
MAX_COMPLETIONS = 128
MAX_INPUTS = 2048
MAX_DOCUMENTS = 1024
MAX_LOGPROBS = 20
MAX_BIASES = 1024
MAX_TOOLS = 128
MAX_TOOLS_BYTES = 256 * 1024
# Engines compile a schema into a grammar in time quadratic in its size, and generate
# for nobody else meanwhile.
MAX_SCHEMA_BYTES = 32 * 1024
UNLIMITED = -1
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
PROMPT = "string, list of strings, list of tokens or list of lists of tokens"
TOOL = "object with type function and a function with a name"
TOOL_CHOICE = "none, auto, required or an object that names a function"


def stops(name: str, value: object) -> Problem | None:
    if isinstance(value, str):
        return stop(name, value)
    if not isinstance(value, list):
        return wrong_type(name, value, "string or list of strings")
    return list_of(stop, MAX_STOPS)(name, value)


def stop(name: str, value: object) -> Problem | None:
    if not isinstance(value, str) or not value:
        return wrong_type(name, value, "string that is not empty")
    return text(MAX_STOP_BYTES)(name, value)


def prompts(most: int) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if isinstance(value, str) or _is_tokens(value):
            return None
        is_list = isinstance(value, list) and (
            all(isinstance(each, str) for each in value) or all(map(_is_tokens, value))
        )
        if not is_list or not value:
            return wrong_type(name, value, PROMPT)
        count = len(cast(list[object], value))
        return None if count <= most else out_of_range(name, count, 1, f"{most} items")

    return check


def _is_tokens(value: object) -> bool:
    """bool is an int in Python."""
    return isinstance(value, list) and bool(value) and {*map(type, value)} == {int}


def texts(name: str, value: object) -> Problem | None:
    if isinstance(value, str):
        return None
    if not isinstance(value, list) or not value:
        return wrong_type(name, value, "string or list of strings")
    return list_of(of_type(str, "string"), MAX_DOCUMENTS)(name, value)


def documents(name: str, value: object) -> Problem | None:
    if not isinstance(value, list) or not value:
        return wrong_type(name, value, "list of strings")
    return list_of(of_type(str, "string"), MAX_DOCUMENTS)(name, value)


def tool(name: str, value: object) -> Problem | None:
    function = value.get("function") if isinstance(value, dict) else None
    is_named = isinstance(function, dict) and isinstance(function.get("name"), str)
    if not is_named or cast(Body, value).get("type") != "function":
        return wrong_type(name, value, TOOL)
    return None


def tool_choice(name: str, value: object) -> Problem | None:
    if value in ("none", "auto", "required") or tool(name, value) is None:
        return None
    return wrong_type(name, value, TOOL_CHOICE)


def response_format(*types: str) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if problem := sized(of_type(dict, "object"), MAX_SCHEMA_BYTES)(name, value):
            return problem
        return choice(*types)(f"{name}.type", cast(Body, value).get("type"))

    return check


def stream_options(name: str, value: object) -> Problem | None:
    if not isinstance(value, dict):
        return wrong_type(name, value, "object")
    usage = value.get("include_usage")
    return None if usage is None else boolean(f"{name}.include_usage", usage)


TOKENS = integer(UNLIMITED, INT32_MAX)
SAMPLING: Mapping[str, Check] = {
    "max_tokens": TOKENS,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "stop": stops,
    "seed": integer(-INT64_MAX - 1, INT64_MAX),
    "stream": boolean,
}
# Accepted, but not sent to engines: they mean something to OpenAI's service alone.
UNUSED: Mapping[str, Check] = dict.fromkeys(
    (
        *("user", "store", "metadata", "service_tier", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
        "prediction",
    ),
    lambda _name, _value: None,
)
GENERATION: Mapping[str, Check] = {
    "model": of_type(str, "string"),
    **SAMPLING,
    "max_completion_tokens": TOKENS,
    "stream_options": stream_options,
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "logit_bias": mapping(number(-100, 100), MAX_BIASES),
    "n": integer(1, MAX_COMPLETIONS),
    **UNUSED,
}
CHAT: Mapping[str, Check] = {
    "messages": each_message(has_role),
    **GENERATION,
    "logprobs": boolean,
    "top_logprobs": integer(0, MAX_LOGPROBS),
    "tools": sized(list_of(tool, MAX_TOOLS), MAX_TOOLS_BYTES),
    "tool_choice": tool_choice,
    "parallel_tool_calls": boolean,
    "response_format": response_format("text", "json_object", "json_schema"),
    "reasoning_effort": choice(*EFFORTS),
    "modalities": without_effect(["text"]),
    "audio": without_effect(),
    "functions": without_effect([]),
    "function_call": without_effect(),
    "verbosity": without_effect("medium"),
    "web_search_options": without_effect(),
    "moderation": without_effect(),
}
COMPLETIONS: Mapping[str, Check] = {
    "prompt": prompts(MAX_COMPLETIONS),
    **GENERATION,
    "logprobs": integer(0, MAX_LOGPROBS),
    "echo": boolean,
    "suffix": without_effect(""),
    "best_of": without_effect(1),
}
EMBEDDINGS: Mapping[str, Check] = {
    "model": of_type(str, "string"),
    "input": prompts(MAX_INPUTS),
    "encoding_format": choice("float", "base64"),
    "dimensions": integer(1, 65_536),
    **UNUSED,
}
RERANK: Mapping[str, Check] = {
    "model": of_type(str, "string"),
    "query": of_type(str, "string"),
    "documents": documents,
    "top_n": integer(1, INT32_MAX),
    "return_documents": boolean,
    **UNUSED,
}
# Any pair of them
SCORE_PAIRS = (
    ("text_1", "text_2"),
    ("queries", "documents"),
    ("queries", "items"),
    ("data_1", "data_2"),
)
SCORE: Mapping[str, Check] = {
    "model": of_type(str, "string"),
    **dict.fromkeys((name for pair in SCORE_PAIRS for name in pair), texts),
    **UNUSED,
}
TOKENIZE: Mapping[str, Check] = {
    "model": of_type(str, "string"),
    "prompt": of_type(str, "string"),
    "add_special_tokens": boolean,
    **UNUSED,
}
