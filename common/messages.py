"""The registry of codes: one row holds the message, the advice, the retry policy and
who is at fault.

Database rows and API answers hold a code and its parameters; the text is rendered when
it is shown, in the reader's language. Each app defines the rows that it raises in its
messages.py and registers them when it is ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from common.enums import Fault, Retry

Text = str | Promise

# Replaces an empty list, such as the allowed operations of a model that is stopping
NOTHING = _("none")


@dataclass(frozen=True, slots=True)
class Reason:
    """One row of the registry.

    variants: messages instead, by the parameter that has to be given for them.
    advice: what to do, where the message does not name it.
    subject: the preflight line that shows it.
    quotes_log: the run keeps the line of its log that best explains the end.
    labels: by parameter, of values that are codes or English phrases; %s in a phrase
    stands for any text.
    """

    code: str
    message: Text
    advice: Text = ""
    retry: Retry = Retry.BACKOFF
    fault: Fault = Fault.NOBODY
    subject: str = "config"
    quotes_log: bool = False
    variants: Mapping[str, Text] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, Text]] = field(default_factory=dict)


registry: dict[str, Reason] = {}


def register(reasons: Iterable[Reason]) -> None:
    """Raises ValueError for a code that is registered already."""
    for reason in reasons:
        if reason.code in registry:
            raise ValueError(f"registered twice: {reason.code}")
        registry[reason.code] = reason


def find(code: str) -> Reason:
    """An unknown code is its own message: a row written by a newer version must not
    break a page."""
    return registry.get(code) or Reason(code, code.replace("%", "%%"))


def render(code: str, params: Mapping[str, object]) -> str:
    """The code itself when it is unknown or a parameter is missing."""
    reason = find(code)
    variants = [text for key, text in reason.variants.items() if params.get(key)]
    labels = reason.labels
    shown = {key: _text(value, labels.get(key, {})) for key, value in params.items()}
    try:
        return str([*variants, reason.message][0]) % shown
    except KeyError:
        return code


def advise(code: str, params: Mapping[str, object]) -> str:
    """Advice on the cause takes precedence. Empty when there is none."""
    cause, advice = params.get("cause"), ""
    if isinstance(cause, Mapping) and "code" in cause:
        advice = advise(str(cause["code"]), cause.get("params") or {})
    return advice or str(find(code).advice)


def reason_of(code: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """As the API shows it; None without a code."""
    if not code:
        return None
    return {
        "code": code,
        "params": params,
        "message": render(code, params),
        "advice": advise(code, params),
    }


def _text(value: object, labels: Mapping[str, Text]) -> str:
    if isinstance(value, Mapping) and "code" in value:
        return render(str(value["code"]), value.get("params") or {})
    if isinstance(value, list | tuple):
        return ", ".join(_text(item, labels) for item in value) or str(NOTHING)
    return _label(value, labels) if isinstance(value, str) else str(value)


def _label(value: str, labels: Mapping[str, Text]) -> str:
    if value in labels:
        return str(labels[value])
    for pattern, label in labels.items():
        before, placeholder, after = pattern.partition("%s")
        if placeholder and value.startswith(before) and value.endswith(after):
            return str(label) % value.removeprefix(before).removesuffix(after)
    return value


# API clients get the English phrase; pages show these labels.
EXPECTED = {
    "integer": _("an integer"),
    "integer greater than 0": _("an integer greater than 0"),
    "number": _("a number"),
    "finite number": _("a finite number"),
    "object": _("a JSON object"),
    "string": _("a string"),
    "true, false": _("true or false"),
    "string in UTF-8 without NUL": _("a string without NUL or invalid characters"),
    "an absolute path of a folder, or an id such as org/name": _(
        "the absolute path of a folder, or an id such as org/name"
    ),
    "one of %s, or one of them with @ and the label of an installation": _(
        "one of %s, optionally followed by @ and the label of an installation"
    ),
    "one of %s": _("one of %s"),
    "1 to %s characters": _("1 to %s characters long"),
    "list of at least one message": _("a list of at least one message"),
    "object with role and content": _("an object with role and content"),
    "list": _("a list"),
    "list of strings": _("a list of strings"),
    "list of integers": _("a list of integers"),
    "list of a token and a number or false": _(
        "a list of a token and a number or false"
    ),
    "none, auto, required or an object that names a function": _(
        "none, auto, required or an object that names a function"
    ),
    "object with type function and a function with a name": _(
        "an object with type function and a function with a name"
    ),
    "string or list of text parts": _("a string or a list of text parts"),
    "string or list of strings": _("a string or a list of strings"),
    "string that is not empty": _("a string that is not empty"),
    "string, list of strings, list of tokens or list of lists of tokens": _(
        "a string, a list of strings, a list of tokens or a list of lists of tokens"
    ),
}
MOST = {
    "%s bytes": _("%s bytes"),
    "%s completions": _("%s completions"),
    "%s items": _("%s items"),
}
REASONS = (
    Reason(
        "unknown_field",
        _("Unknown field %(key)s. Allowed fields: %(allowed)s."),
        variants={"nearest": _("Unknown field %(key)s. Did you mean %(nearest)s?")},
    ),
    Reason(
        "wrong_type",
        _("%(key)s must be %(expected)s, not %(value)s."),
        labels={"expected": EXPECTED},
    ),
    Reason(
        "out_of_range",
        _("%(key)s must be between %(min)s and %(max)s, not %(value)s."),
        variants={
            "no_gpus": _("%(key)s must be 0, not %(value)s: no machine here has a GPU.")
        },
        labels={"max": MOST},
    ),
    Reason("repeated_parameter", _("%(key)s must not be given more than once.")),
    Reason("missing_key", _("%(key)s is required.")),
    Reason(
        "field_without_effect",
        _("The engine of this model does not support %(key)s. Leave it out."),
        variants={
            "allowed": _(
                "The engine of this model does not support this value of %(key)s."
                " Leave it out, or use %(allowed)s."
            )
        },
    ),
    Reason(
        "too_deep",
        _("%(key)s is nested too deeply. At most %(max)s levels are allowed."),
    ),
    Reason(
        "request_too_large",
        _("The request is larger than the limit of %(max)s bytes."),
    ),
    Reason(
        "no_such_path",
        _("%(value)s does not exist on this server."),
        variants={
            "nearest": _(
                "%(value)s does not exist on this server. Did you mean %(nearest)s?"
            )
        },
    ),
    Reason(
        "disk_full", _("The disk of %(path)s is full. Free up space and try again.")
    ),
    Reason(
        "bad_request",
        _("The server rejected the request. Check its Host header."),
    ),
    Reason("job_not_allowed", _("%(job)s is %(state)s: this cannot be done now.")),
    Reason(
        "job_interrupted",
        _("Its process was killed repeatedly."),
        advice=_("See the logs of the worker and of the machine, then try again."),
        fault=Fault.MACHINE,
    ),
    Reason(
        "job_crashed",
        _("It ended with an unexpected error. See the platform's log for details."),
        fault=Fault.PLATFORM,
    ),
    Reason(
        "internal_error",
        _("Internal error. See the platform's log for details."),
    ),
)
register(REASONS)
