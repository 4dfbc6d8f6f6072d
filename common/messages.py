"""The registry of codes: one row holds the message, the advice, the retry policy and
who is at fault.

Database rows and API answers hold a code and its parameters; the text is rendered when
it is shown, in the reader's language. Each app defines the rows that it raises in its
messages.py and registers them when it is ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from common.enums import Fault, Retry
from common.expected import in_words

Text = str | Promise

# Replaces an empty list, such as the allowed operations of a model that is stopping
NOTHING = _("nothing")


@dataclass(frozen=True, slots=True)
class Reason:
    """nearest: the message when the parameter `nearest` suggests a correction.
    advice: what to do, where the message does not say it. labels: of parameter values
    that are codes, by parameter. subject: the preflight line that shows it.
    quotes_log: the run keeps the line of its log that explains the end best."""

    code: str
    message: Text
    nearest: Text = ""
    advice: Text = ""
    retry: Retry = Retry.BACKOFF
    fault: Fault = Fault.NOBODY
    subject: str = "config"
    quotes_log: bool = False
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
    message = reason.nearest if params.get("nearest") else ""
    labels = reason.labels
    shown = {key: _text(value, labels.get(key, {})) for key, value in params.items()}
    if code == "wrong_type" and "expected" in shown:
        shown["expected"] = in_words(shown["expected"])
    try:
        return str(message or reason.message) % shown
    except KeyError:
        return code


def advise(code: str, params: Mapping[str, object]) -> str:
    """Advice on the cause takes precedence. Empty when there is none."""
    cause, advice = params.get("cause"), ""
    if isinstance(cause, Mapping) and "code" in cause:
        advice = advise(str(cause["code"]), cause.get("params") or {})
    return advice or str(find(code).advice)


def _text(value: object, labels: Mapping[str, Text]) -> str:
    if isinstance(value, Mapping) and "code" in value:
        return render(str(value["code"]), value.get("params") or {})
    if isinstance(value, list | tuple):
        return ", ".join(_text(item, labels) for item in value) or str(NOTHING)
    return str(labels.get(value, value) if isinstance(value, str) else value)


REASONS = (
    Reason(
        "unknown_field",
        _("Unknown field %(key)s. Allowed: %(allowed)s."),
        nearest=_("Unknown field %(key)s. Did you mean %(nearest)s?"),
    ),
    Reason("wrong_type", _("%(key)s is %(value)s; needed: %(expected)s.")),
    Reason("out_of_range", _("%(key)s is %(value)s; allowed: %(min)s to %(max)s.")),
    Reason("missing_key", _("%(key)s is required.")),
    Reason("too_deep", _("%(key)s is nested too deeply; allowed: %(max)s levels.")),
    Reason(
        "request_too_large",
        _("The request has more than the allowed %(max)s bytes."),
    ),
    Reason("no_such_path", _("There is nothing at %(value)s.")),
    Reason(
        "bad_request",
        _("The request is not one this server takes; see its Host header."),
    ),
    Reason(
        "internal_error",
        _("Something went wrong here. The platform's log says what."),
    ),
)
register(REASONS)
