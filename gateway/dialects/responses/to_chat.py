"""Translate a request for a response into one for a chat completion. Pure."""

from __future__ import annotations

from typing import Any

from common.request_fields.dialect import Body

SAME = ("temperature", "top_p", "stream", "parallel_tool_calls")


def to_chat(body: Body) -> Body:
    """body: without problems."""
    chat = {name: body[name] for name in SAME if name in body}
    chat["messages"] = _messages(body)
    if "max_output_tokens" in body:
        chat["max_tokens"] = body["max_output_tokens"]
    if tools := body.get("tools"):
        chat["tools"] = [_function(tool) for tool in tools]
    if choice := body.get("tool_choice"):
        chat["tool_choice"] = _function(choice) if isinstance(choice, dict) else choice
    if effort := (body.get("reasoning") or {}).get("effort"):
        chat["reasoning_effort"] = effort
    if form := (body.get("text") or {}).get("format"):
        chat["response_format"] = _format(form)
    return chat


def _messages(body: Body) -> list[Body]:
    messages: list[Body] = []
    if instructions := body.get("instructions"):
        messages.append({"role": "system", "content": instructions})
    given = body["input"]
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    for item in given:
        _add(messages, item)
    return messages


def _add(messages: list[Body], item: Body) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        # Few chat templates know the developer.
        role = "system" if item["role"] == "developer" else item["role"]
        messages.append({"role": role, "content": _content(item["content"])})
    elif kind == "function_call":
        _add_call(messages, item)
    elif kind == "function_call_output":
        content = _text(item["output"])
        result = {"role": "tool", "tool_call_id": item["call_id"], "content": content}
        messages.append(result)


def _add_call(messages: list[Body], item: Body) -> None:
    """To the assistant's message before it: templates expect a turn to be one."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    function = {"name": item["name"], "arguments": item["arguments"]}
    call = {"id": item["call_id"], "type": "function", "function": function}
    messages[-1].setdefault("tool_calls", []).append(call)


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    if all(part["type"] != "input_image" for part in content):
        return _text(content)
    return [_part(part) for part in content]


def _part(part: Body) -> Body:
    if part["type"] != "input_image":
        return {"type": "text", "text": _text([part])}
    detail = {"detail": part["detail"]} if part.get("detail") else {}
    return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = (part.get("text", part.get("refusal", "")) for part in content)
    return "\n".join(texts)


def _function(tool: Body) -> Body:
    function = {name: value for name, value in tool.items() if name != "type"}
    return {"type": "function", "function": function}


def _format(form: Body) -> Body:
    if form["type"] != "json_schema":
        return {"type": form["type"]}
    schema = {name: value for name, value in form.items() if name != "type"}
    return {"type": "json_schema", "json_schema": {"name": "output", **schema}}
