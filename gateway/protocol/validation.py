"""Parse a request body and check its fields. Pure.

null means absent, as in OpenAI's API.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import cast

from common.problems import Problem, unknown_fields, wrong_type
from common.request_fields.checks import Check
from common.request_fields.dialect import Body

ROLES = ("system", "user", "assistant", "tool")


class InvalidJsonError(ValueError):
    """The message gives position and cause, but never quotes the content."""


def parse_json(content: bytes) -> Body:
    """Raises InvalidJsonError."""
    try:
        body = json.loads(content, parse_constant=_reject_constant)
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
    if not isinstance(body, dict):
        raise InvalidJsonError("it is a list or a single value")
    return body


def dump_json(body: Mapping[str, object]) -> bytes:
    """Raises InvalidJsonError for values that JSON allows but engines do not read."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise InvalidJsonError("half of a surrogate pair in a string") from None
    except ValueError:
        raise InvalidJsonError("a number is not finite") from None
    except RecursionError:
        raise InvalidJsonError("nested too deeply") from None


def _reject_constant(name: str) -> float:
    raise ValueError(name)


def validate(body: Body, checks: Mapping[str, Check]) -> Iterator[Problem]:
    for name, check in checks.items():
        value = body.get(name)
        problem = None if value is None else check(name, value)
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
