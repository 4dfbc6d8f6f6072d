"""Fields of a request body: types and ranges, as data. Pure.

JSON's rules, not Python's: true is not 1, 1 is a number. null means absent, as in
OpenAI's API.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from common.problems import Problem, out_of_range, unknown_fields, wrong_type

Body = dict[str, Any]
Check = Callable[[str, object], Problem | None]

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
MAX_STOPS = 16
STOPS = f"string or list of 1 to {MAX_STOPS} strings, none of them empty"
ROLES = ("system", "user", "assistant", "tool")


class NotJsonError(ValueError):
    """The message says where and why, and quotes nothing."""


def parsed(content: bytes) -> Body:
    """Raises NotJsonError."""
    try:
        body = json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise NotJsonError("nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise NotJsonError(f"{error.msg}, {where}") from None
    except UnicodeDecodeError as error:
        raise NotJsonError(f"not UTF-8 at byte {error.start}") from None
    except ValueError:
        raise NotJsonError("a number is not finite or has too many digits") from None
    if not isinstance(body, dict):
        raise NotJsonError("it is a list or a single value")
    return body


def dumped(body: Mapping[str, object]) -> bytes:
    """Raises NotJsonError for what JSON lets one write but no engine reads."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise NotJsonError("half of a surrogate pair in a string") from None
    except ValueError:
        raise NotJsonError("a number is not finite") from None
    except RecursionError:
        raise NotJsonError("nested too deeply") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def problems_in(body: Body, checks: Mapping[str, Check]) -> Iterator[Problem]:
    for name, check in checks.items():
        value = body.get(name)
        problem = None if value is None else check(name, value)
        if problem is not None:
            yield problem


def missing(body: Body, names: Iterable[str]) -> Iterator[Problem]:
    for name in names:
        if body.get(name) is None:
            yield Problem(code="missing_key", field=name, params={"key": name})


def integer(low: int, high: int) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if not isinstance(value, int) or isinstance(value, bool):
            return wrong_type(name, value, "integer")
        return None if low <= value <= high else out_of_range(name, value, low, high)

    return check


def number(low: int, high: int) -> Check:
    def check(name: str, value: object) -> Problem | None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return wrong_type(name, value, "number")
        return None if low <= value <= high else out_of_range(name, value, low, high)

    return check


def of_type(kind: type, words: str) -> Check:
    def check(name: str, value: object) -> Problem | None:
        return None if isinstance(value, kind) else wrong_type(name, value, words)

    return check


def stop_words(name: str, value: object) -> Problem | None:
    words = value if isinstance(value, list) else [value]
    fit = all(isinstance(word, str) and word for word in words)
    if fit and 1 <= len(words) <= MAX_STOPS:
        return None
    return wrong_type(name, value, STOPS)


def each_message(check: Check) -> Check:
    def check_all(name: str, value: object) -> Problem | None:
        if not isinstance(value, list) or not value:
            return wrong_type(name, value, "list of at least one message")
        found = (check(f"{name}.{index}", one) for index, one in enumerate(value))
        return next((problem for problem in found if problem), None)

    return check_all


def has_role(name: str, message: object) -> Problem | None:
    if not isinstance(message, dict):
        return wrong_type(name, message, "object with role and content")
    if not isinstance(message.get("role"), str):
        return wrong_type(f"{name}.role", message.get("role"), "string")
    return None


def is_text(name: str, message: object) -> Problem | None:
    if problem := has_role(name, message):
        return problem
    role, content = cast(Body, message).get("role"), cast(Body, message).get("content")
    if role not in ROLES:
        return wrong_type(f"{name}.role", role, " or ".join(ROLES))
    if not isinstance(content, str):
        return wrong_type(f"{name}.content", content, "string")
    found = unknown_fields(cast(Body, message), ["role", "content"])
    return next((replace(p, field=f"{name}.{p.field}") for p in found), None)


SAMPLING: Mapping[str, Check] = {
    "max_tokens": integer(1, INT32_MAX),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "stop": stop_words,
    "seed": integer(-INT64_MAX - 1, INT64_MAX),
    "stream": of_type(bool, "true or false"),
}
