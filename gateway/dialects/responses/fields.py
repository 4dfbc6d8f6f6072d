"""Fields of OpenAI's Responses API, with their bounds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from common.problems import Problem, wrong_type
from common.request_fields.checks import (
    INT32_MAX,
    Check,
    boolean,
    choice,
    integer,
    list_of,
    number,
    of_type,
    sized,
    without_effect,
)
from common.request_fields.dialect import Body
from gateway.protocol.fields import (
    EFFORTS,
    MAX_SCHEMA_BYTES,
    MAX_TOOLS,
    MAX_TOOLS_BYTES,
    UNUSED,
)

MAX_ITEMS = 10_000
ROLES = ("user", "assistant", "system", "developer")
# The strings that an item or part must have
ITEMS: Mapping[str, tuple[str, ...]] = {
    "message": (),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id",),
    "reasoning": (),
}
PARTS: Mapping[str, tuple[str, ...]] = {
    "input_text": ("text",),
    "output_text": ("text",),
    "refusal": ("refusal",),
    "input_image": ("image_url",),
}
FORMATS = ("text", "json_object", "json_schema")
TEXT = "string or list of parts"
INPUT = "string or list of items"
TOOL = "object of type function with a name"
TOOL_CHOICE = "none, auto, required or an object of type function with a name"


def _input(name: str, value: object) -> Problem | None:
    if isinstance(value, str):
        return None
    if not isinstance(value, list) or not value:
        return wrong_type(name, value, INPUT)
    return list_of(_item, MAX_ITEMS)(name, value)


def _item(name: str, value: object) -> Problem | None:
    if problem := _typed(name, value, ITEMS, "message"):
        return problem
    item = cast(Body, value)
    kind = item.get("type", "message")
    if kind == "function_call_output":
        return _content(f"{name}.output", item.get("output"))
    if kind != "message":
        return None
    if problem := choice(*ROLES)(f"{name}.role", item.get("role")):
        return problem
    return _content(f"{name}.content", item.get("content"))


def _content(name: str, value: object) -> Problem | None:
    if isinstance(value, str):
        return None
    if not isinstance(value, list):
        return wrong_type(name, value, TEXT)
    return list_of(_part, MAX_ITEMS)(name, value)


def _part(name: str, value: object) -> Problem | None:
    return _typed(name, value, PARTS, "")


def _typed(
    name: str, value: object, kinds: Mapping[str, tuple[str, ...]], default: str
) -> Problem | None:
    if not isinstance(value, dict):
        return wrong_type(name, value, "object with type")
    kind = value.get("type", default)
    if problem := choice(*kinds)(f"{name}.type", kind):
        return problem
    checks = (
        of_type(str, "string")(f"{name}.{key}", value.get(key)) for key in kinds[kind]
    )
    return next((problem for problem in checks if problem), None)


def _is_function(value: object) -> bool:
    is_function = isinstance(value, dict) and value.get("type") == "function"
    return is_function and isinstance(cast(Body, value).get("name"), str)


def _tool(name: str, value: object) -> Problem | None:
    return None if _is_function(value) else wrong_type(name, value, TOOL)


def _tool_choice(name: str, value: object) -> Problem | None:
    if value in ("none", "auto", "required") or _is_function(value):
        return None
    return wrong_type(name, value, TOOL_CHOICE)


def _text(name: str, value: object) -> Problem | None:
    if problem := sized(of_type(dict, "object"), MAX_SCHEMA_BYTES)(name, value):
        return problem
    form = cast(Body, value).get("format")
    if form is None:
        return None
    kind = form.get("type") if isinstance(form, dict) else None
    if problem := choice(*FORMATS)(f"{name}.format.type", kind):
        return problem
    if kind != "json_schema":
        return None
    return of_type(dict, "object")(f"{name}.format.schema", form.get("schema"))


def _reasoning(name: str, value: object) -> Problem | None:
    if not isinstance(value, dict):
        return wrong_type(name, value, "object")
    effort = value.get("effort")
    return None if effort is None else choice(*EFFORTS)(f"{name}.effort", effort)


RESPONSES: Mapping[str, Check] = {
    "model": of_type(str, "string"),
    "input": _input,
    "instructions": of_type(str, "string"),
    "max_output_tokens": integer(1, INT32_MAX),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "stream": boolean,
    "tools": sized(list_of(_tool, MAX_TOOLS), MAX_TOOLS_BYTES),
    "tool_choice": _tool_choice,
    "parallel_tool_calls": boolean,
    "text": _text,
    "reasoning": _reasoning,
    "include": list_of(of_type(str, "string"), 16),
    "stream_options": of_type(dict, "object"),
    "background": without_effect(False),
    "conversation": without_effect(),
    "max_tool_calls": without_effect(),
    "previous_response_id": without_effect(),
    "prompt": without_effect(),
    "top_logprobs": without_effect(0),
    "truncation": without_effect("disabled"),
    **UNUSED,
}
# Accepted, but not sent to engines
NOT_SENT = frozenset({"include", "stream_options", *UNUSED})
