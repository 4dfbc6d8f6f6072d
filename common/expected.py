"""What a field needs, in the reader's language. Problems tell it in English words,
which programs may rely on; what is not known here stays as it is."""

from __future__ import annotations

import re

from django.utils.translation import gettext_lazy as _

PHRASES = {
    "integer": _("integer"),
    "number": _("number"),
    "object": _("object"),
    "string": _("string"),
    "an absolute path of a folder, or an id such as org/name": _(
        "an absolute path of a folder, or an id such as org/name"
    ),
    "string in UTF-8 without NUL": _("string in UTF-8 without NUL"),
}
# Names are kept, and come last
PATTERNS = (
    (
        re.compile(r"one of (.+), or one of them with @ and the label .+"),
        _("one of %s, or one of them with @ and the label of an installation"),
    ),
    (re.compile(r"one of (.+)"), _("one of %s")),
)


def in_words(expected: str) -> str:
    if expected in PHRASES:
        return str(PHRASES[expected])
    for pattern, words in PATTERNS:
        if found := pattern.fullmatch(expected):
            return str(words) % found[1]
    return expected
