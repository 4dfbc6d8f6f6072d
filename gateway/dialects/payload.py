"""Check a client's body against the fields that its engine knows, and turn it into the
engine's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.conf import settings

from common.problems import Problem, out_of_range, unknown_fields
from common.request_fields.checks import Check
from common.request_fields.dialect import Body
from gateway.protocol.fields import MAX_COMPLETIONS, UNLIMITED, UNUSED
from gateway.protocol.validation import validate
from gateway.routes.table import Route

REJECT = "reject"
# The first that is given counts.
LIMITS = ("max_completion_tokens", "max_tokens", "n_predict")


def given(body: Body) -> Body:
    """Without null, which means absent."""
    return {name: value for name, value in body.items() if value is not None}


def field_problems(
    body: Body, fields: Mapping[str, Check], *, all_known: bool = True
) -> Iterator[Problem]:
    """body: of given(). all_known: whether fields has all of them."""
    yield from unknown_problems(body, fields, all_known)
    problems = list(validate(body, fields))
    yield from problems or [*_tool_choice_problems(body), *_count_problems(body)]


def unknown_problems(
    body: Body, fields: Mapping[str, Check], all_known: bool
) -> Iterator[Problem]:
    if body.keys() <= fields.keys():
        return
    if settings.GATEWAY_UNKNOWN_FIELDS == REJECT and all_known:
        yield from unknown_fields(body, list(fields))


def engine_payload(body: Body, fields: Mapping[str, Check], route: Route) -> Body:
    """body: of given(), without problems."""
    payload = {
        name: value
        for name, value in body.items()
        if name in fields and name not in UNUSED
    }
    return route.dialect.adapt(_with_one_limit(payload))


def streaming(body: Body, route: Route) -> Body:
    """Whether the engine streams: also a whole answer, see gateway.protocol.assembly,
    if that is how it notices that the client has left."""
    if not body.get("stream") and route.dialect.stops_on_disconnect:
        return {"stream": False}
    return {"stream": True, "stream_options": {"include_usage": True}}


def is_greedy(payload: Body) -> bool:
    """Whether the engine takes the likeliest token each time. payload: what it gets."""
    return payload.get("temperature") == 0 and payload.get("n", 1) == 1


def _with_one_limit(payload: Body) -> Body:
    """-1: as much as the context holds, which engines call null. 0 is for those who
    want the prompt read; engines generate at least one token."""
    limits = [payload[name] for name in LIMITS if name in payload]
    payload = {name: value for name, value in payload.items() if name not in LIMITS}
    if limits:
        limit = limits[0]
        payload["max_tokens"] = None if limit == UNLIMITED else max(limit, 1)
    return payload


def _tool_choice_problems(body: Body) -> Iterator[Problem]:
    choice = body.get("tool_choice")
    tools = [tool["function"]["name"] for tool in body.get("tools") or []]
    if choice == "required" and not tools:
        yield Problem(code="missing_key", field="tools", params={"key": "tools"})
    elif isinstance(choice, dict) and choice["function"]["name"] not in tools:
        params = {"value": choice["function"]["name"], "allowed": tools}
        yield Problem(code="unknown_tool", field="tool_choice", params=params)


def _count_problems(body: Body) -> Iterator[Problem]:
    prompt = body.get("prompt")
    if not isinstance(prompt, list) or isinstance(prompt[0], int):
        return
    count = len(prompt) * body.get("n", 1)
    if count > MAX_COMPLETIONS:
        yield out_of_range("prompt", count, 1, f"{MAX_COMPLETIONS} completions")
