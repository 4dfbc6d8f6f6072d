"""Fields of Anthropic's Messages API, with their bounds. Pure."""

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
    MAX_STOPS,
    MAX_TOOLS,
    MAX_TOOLS_BYTES,
    UNUSED,
    stop,
)
from gateway.protocol.validation import each_message

MAX_BLOCKS = 10_000
ROLES = ("user", "assistant", "system")
BLOCKS = ("text", "image", "tool_use", "tool_result", "thinking", "redacted_thinking")
# The fields that a block must have, which are strings unless listed in OBJECTS
REQUIRED = {
    "text": ("text",),
    "image": ("source",),
    "tool_use": ("id", "name", "input"),
    "tool_result": ("tool_use_id",),
    "thinking": ("thinking",),
    "redacted_thinking": (),
}
OBJECTS = frozenset({"source", "input"})
TEXT = "string or list of blocks"
TOOL = "object with a name and an input_schema"
TOOL_CHOICE = "object of type auto, any, none, or tool with a name"
SOURCE = "object of type base64 with media_type and data, or url with url"


def _message(name: str, value: object) -> Problem | None:
    if not isinstance(value, dict):
        return wrong_type(name, value, "object with role and content")
    if problem := choice(*ROLES)(f"{name}.role", value.get("role")):
        return problem
    return _content(f"{name}.content", value.get("content"))


def _content(name: str, value: object) -> Problem | None:
    if isinstance(value, str):
        return None
    if not isinstance(value, list):
        return wrong_type(name, value, TEXT)
    return list_of(_block, MAX_BLOCKS)(name, value)


def _block(name: str, value: object) -> Problem | None:
    if not isinstance(value, dict):
        return wrong_type(name, value, "object with type")
    kind = value.get("type")
    if problem := choice(*BLOCKS)(f"{name}.type", kind):
        return problem
    for key in REQUIRED[cast(str, kind)]:
        found, is_object = value.get(key), key in OBJECTS
        if not isinstance(found, dict if is_object else str):
            expected = "object" if is_object else "string"
            return wrong_type(f"{name}.{key}", found, expected)
    if kind == "image":
        return _source(f"{name}.source", value["source"])
    if kind == "tool_result" and value.get("content") is not None:
        return _content(f"{name}.content", value["content"])
    return None


def _source(name: str, value: Body) -> Problem | None:
    keys = {"base64": ("media_type", "data"), "url": ("url",)}
    kind = value.get("type")
    needed = keys.get(kind) if isinstance(kind, str) else None
    if not needed or not all(isinstance(value.get(key), str) for key in needed):
        return wrong_type(name, kind, SOURCE)
    return None


def _tool(name: str, value: object) -> Problem | None:
    is_tool = (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("input_schema"), dict)
    )
    return None if is_tool else wrong_type(name, value, TOOL)


def _tool_choice(name: str, value: object) -> Problem | None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in ("auto", "any", "none"):
        return None
    if kind == "tool" and isinstance(cast(Body, value).get("name"), str):
        return None
    return wrong_type(name, value, TOOL_CHOICE)


def _thinking(name: str, value: object) -> Problem | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return choice("enabled", "disabled", "adaptive")(f"{name}.type", kind)


def _output_config(name: str, value: object) -> Problem | None:
    if problem := sized(of_type(dict, "object"), MAX_SCHEMA_BYTES)(name, value):
        return problem
    config = cast(Body, value)
    if (effort := config.get("effort")) is not None:
        return choice(*EFFORTS)(f"{name}.effort", effort)
    return None if config.get("format") is None else _format(name, config["format"])


def _format(name: str, value: object) -> Problem | None:
    kind = value.get("type") if isinstance(value, dict) else None
    if problem := choice("json_schema")(f"{name}.format.type", kind):
        return problem
    schema = cast(Body, value).get("schema")
    return of_type(dict, "object")(f"{name}.format.schema", schema)


COUNTED: Mapping[str, Check] = {
    "model": of_type(str, "string"),
    "messages": each_message(_message),
    "system": _content,
    "tools": sized(list_of(_tool, MAX_TOOLS), MAX_TOOLS_BYTES),
    "tool_choice": _tool_choice,
    "thinking": _thinking,
    "output_config": _output_config,
    "cache_control": lambda _name, _value: None,
}
MESSAGES: Mapping[str, Check] = {
    **COUNTED,
    "max_tokens": integer(1, INT32_MAX),
    "stop_sequences": list_of(stop, MAX_STOPS),
    "stream": boolean,
    "temperature": number(0, 1),
    "top_p": number(0, 1),
    "top_k": integer(-1, INT32_MAX),
    "container": without_effect(),
    "context_management": without_effect(),
    "mcp_servers": without_effect([]),
    **UNUSED,
}
# Accepted, but not sent to engines
NOT_SENT = frozenset({"cache_control", "mcp_servers", *UNUSED})
