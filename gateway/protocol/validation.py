"""Parse a request body and check its fields. Pure.

null means absent, as in OpenAI's API.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import cast

import orjson

from common.problems import Problem, unknown_fields, wrong_type
from common.request_fields.checks import Check
from common.request_fields.dialect import Body

ROLES = ("system", "user", "assistant", "tool")


class InvalidJsonError(ValueError):
    """The message gives position and cause, but never quotes the content."""


def parse_json(content: bytes) -> Body:
    """Raises InvalidJsonError."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        # The standard library says better what is wrong.
        body = _parse_slowly(content)
    if not isinstance(body, dict):
        raise InvalidJsonError("it is a list or a single value")
    return body


def _parse_slowly(content: bytes) -> object:
    try:
        return json.loads(content, parse_constant=_reject, parse_float=_finite)
    except RecursionError:
        raise InvalidJsonError("nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidJsonError(f"{error.msg}, {where}") from None
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"not UTF-8 at byte {error.start}") from None
    except ValueError:
        raise InvalidJsonError(
            "a number is not finite or has too many digits"
        ) from None


def dump_json(body: Mapping[str, object]) -> bytes:
    """body: parsed, so that its numbers are finite. Raises InvalidJsonError for values
    that JSON allows but engines do not read."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return _dump_slowly(body)


def _dump_slowly(body: Mapping[str, object]) -> bytes:
    """Integers of more than 64 bits, deep nesting, and whatever is wrong."""
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidJsonError("half of a surrogate pair in a string") from None
    except RecursionError:
        raise InvalidJsonError("nested too deeply") from None


def _reject(name: str) -> float:
    raise ValueError(name)


def _finite(text: str) -> float:
    return number if math.isfinite(number := float(text)) else _reject(text)


def validate(body: Body, checks: Mapping[str, Check]) -> Iterator[Problem]:
    for name, value in body.items():
        check = checks.get(name)
        problem = check(name, value) if check and value is not None else None
        if problem is not None:
            yield problem


def missing(body: Body, names: Iterable[str]) -> Iterator[Problem]:
    for name in names:
        if body.get(name) is None:
            yield Problem(code="missing_key", field=name, params={"key": name})


def each_message(check: Check) -> Check:
    def check_all(name: str, value: object) -> Problem | None:
        if not isinstance(value, list) or not value:
            return wrong_type(name, value, "list of at least one message")
        problems = (check(f"{name}.{i}", message) for i, message in enumerate(value))
        return next((problem for problem in problems if problem), None)

    return check_all


def has_role(name: str, message: object) -> Problem | None:
    if not isinstance(message, dict):
        return wrong_type(name, message, "object with role and content")
    if not isinstance(message.get("role"), str):
        return wrong_type(f"{name}.role", message.get("role"), "string")
    return None


def is_text_message(name: str, message: object) -> Problem | None:
    if problem := has_role(name, message):
        return problem
    body = cast(Body, message)
    role, content = body.get("role"), body.get("content")
    if role not in ROLES:
        return wrong_type(f"{name}.role", role, " or ".join(ROLES))
    if not isinstance(content, str):
        return wrong_type(f"{name}.content", content, "string")
    problems = unknown_fields(body, ["role", "content"])
    return next((replace(p, field=f"{name}.{p.field}") for p in problems), None)
