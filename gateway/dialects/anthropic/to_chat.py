"""Translate a request for a message into one for a chat completion. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from common.request_fields.dialect import Body, Fields

SAME = ("temperature", "top_p", "top_k", "max_tokens", "stream")
CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def to_chat(body: Body, known: Fields) -> Body:
    """body: without problems. known: the engine's own fields of a chat completion."""
    chat = {name: body[name] for name in SAME if name in body}
    chat["messages"] = [*_system(body), *_messages(body["messages"])]
    if stops := body.get("stop_sequences"):
        chat["stop"] = stops
    if tools := body.get("tools"):
        chat["tools"] = [_tool(tool) for tool in tools]
    return {**chat, **_tool_choice(body), **_output(body), **_thinking(body, known)}


def _system(body: Body) -> Iterator[Body]:
    if content := body.get("system"):
        yield {"role": "system", "content": _text(content)}


def _messages(messages: list[Body]) -> Iterator[Body]:
    for message in messages:
        role, content = message["role"], message["content"]
        if isinstance(content, str):
            yield {"role": role, "content": content}
        elif role == "assistant":
            yield _assistant(content)
        elif role == "system":
            yield {"role": role, "content": _text(content)}
        else:
            yield from _user(content)


def _user(blocks: list[Body]) -> Iterator[Body]:
    """Results of tools are messages of their own. Images in them follow as the
    user's, because a tool's message holds text."""
    parts: list[Body] = []
    for block in blocks:
        if block["type"] != "tool_result":
            parts += _parts([block])
            continue
        if parts:
            yield _with_parts(parts)
        content = block.get("content") or ""
        yield {
            "role": "tool",
            "tool_call_id": block["tool_use_id"],
            "content": _text(content),
        }
        images = content if isinstance(content, list) else []
        parts = _parts([each for each in images if each["type"] == "image"])
    if parts:
        yield _with_parts(parts)


def _with_parts(parts: list[Body]) -> Body:
    is_text = len(parts) == 1 and parts[0]["type"] == "text"
    return {"role": "user", "content": parts[0]["text"] if is_text else parts}


def _parts(blocks: list[Body]) -> list[Body]:
    parts: list[Body] = []
    for block in blocks:
        if block["type"] == "text":
            parts.append({"type": "text", "text": block["text"]})
        elif block["type"] == "image":
            url = {"url": _url(block["source"])}
            parts.append({"type": "image_url", "image_url": url})
    return parts


def _url(source: Body) -> str:
    if source["type"] == "url":
        return str(source["url"])
    return f"data:{source['media_type']};base64,{source['data']}"


def _assistant(blocks: list[Body]) -> Body:
    message: Body = {"role": "assistant", "content": _text(blocks) or None}
    if calls := [_call(block) for block in blocks if block["type"] == "tool_use"]:
        message["tool_calls"] = calls
    thoughts = [block["thinking"] for block in blocks if block["type"] == "thinking"]
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    return message


def _call(block: Body) -> Body:
    arguments = json.dumps(block["input"], ensure_ascii=False)
    function = {"name": block["name"], "arguments": arguments}
    return {"id": block["id"], "type": "function", "function": function}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _tool(tool: Body) -> Body:
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    return {"type": "function", "function": function}


def _tool_choice(body: Body) -> Body:
    choice = body.get("tool_choice")
    if choice is None:
        return {}
    named = {"type": "function", "function": {"name": choice.get("name")}}
    found: Body = {"tool_choice": CHOICES.get(choice["type"], named)}
    if choice.get("disable_parallel_tool_use"):
        found["parallel_tool_calls"] = False
    return found


def _output(body: Body) -> Body:
    config, found = body.get("output_config") or {}, {}
    if effort := config.get("effort"):
        found["reasoning_effort"] = effort
    if form := config.get("format"):
        schema = {"name": "output", "schema": form["schema"]}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    return found


def _thinking(body: Body, known: Fields) -> Body:
    kind = (body.get("thinking") or {}).get("type")
    if kind in (None, "adaptive") or "chat_template_kwargs" not in known:
        return {}
    return {"chat_template_kwargs": {"enable_thinking": kind == "enabled"}}
