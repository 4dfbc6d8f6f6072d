"""Messages of stable codes. Rows hold a code and its parameters; the text is rendered
when it is shown, in the reader's language.

Each app registers the codes that it raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from common.expected import in_words

_messages: dict[str, str | Promise] = {}
_choices: dict[str, Mapping[str, type[TextChoices]]] = {}

# In place of an empty list, such as of what a model that is stopping allows
NOTHING = _("nothing")


def register(messages: Mapping[str, str | Promise]) -> None:
    """Raises ValueError for a code that is registered already."""
    if taken := messages.keys() & _messages.keys():
        raise ValueError(f"registered twice: {sorted(taken)}")
    _messages.update(messages)


def register_choices(
    codes: Iterable[str], choices: Mapping[str, type[TextChoices]]
) -> None:
    """Parameters of these messages that are values of choices: labels are shown."""
    _choices.update(dict.fromkeys(codes, choices))


def render(code: str, params: Mapping[str, object]) -> str:
    """The message of a code. An unknown code or missing parameter shows the code
    itself: a row written by a newer version must not break a page."""
    if params.get("nearest") and f"{code}_nearest" in _messages:
        code = f"{code}_nearest"
    if choices := _choices.get(code):
        params = {
            key: _label(choices[key], value) if key in choices else value
            for key, value in params.items()
        }
    shown = {key: _shown(value) for key, value in params.items()}
    if code == "wrong_type" and "expected" in shown:
        shown["expected"] = in_words(shown["expected"])
    try:
        return str(_messages[code]) % shown
    except KeyError:
        return code


def _shown(value: object) -> str:
    if isinstance(value, Mapping) and "code" in value:
        return render(str(value["code"]), value.get("params") or {})
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or str(NOTHING)
    return str(value)


def _label(choices: type[TextChoices], value: object) -> object:
    if isinstance(value, list | tuple):
        return [_label(choices, item) for item in value]
    labels = dict(choices.choices)
    return labels.get(value, value) if isinstance(value, str) else value
