"""Every phrase the source marks for translation, found the way makemessages does, but
without GNU gettext: templates are turned into pseudo Python by Django itself."""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.extract import extract
from django.utils.translation.template import templatize

ROOT = Path(__file__).parents[1]
APPS = (
    "common",
    "llmplatform",
    "models_app",
    "runtimes",
    "monitoring",
    "scheduling",
    "gateway",
)
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
}


@cache
def phrases() -> tuple[tuple[str, str], ...]:
    """(phrase, where), plurals by their singular."""
    return tuple(extracted())


def extracted() -> Iterator[tuple[str, str]]:
    for path in sources():
        text = path.read_text()
        if path.suffix == ".html":
            # Indentation of a page is none of Python's.
            text = "\n".join(line.strip() for line in templatize(text).splitlines())
        found = extract("python", BytesIO(text.encode()), KEYWORDS)
        for line, message, _comments, _context in found:
            singular = message if isinstance(message, str) else message[0]
            yield singular, f"{path.relative_to(ROOT)}:{line}"


def sources() -> Iterator[Path]:
    for app in APPS:
        yield from sorted((ROOT / app).rglob("*.py"))
    yield from sorted((ROOT / "templates").rglob("*.html"))
