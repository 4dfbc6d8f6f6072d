"""Names for models that are about to be added."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator
from itertools import count

LONGEST = 63
OTHERS = re.compile(r"[^a-z0-9._-]+")
FALLBACK = "model"


def name_of(title: str, taken: Container[str] = ()) -> str:
    """One that may be used in API calls and that no other model has."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    name = _trimmed(OTHERS.sub("-", plain.lower()), LONGEST)
    if not re.search("[a-z]", name):
        name = _trimmed(f"{FALLBACK}-{name}", LONGEST)
    return next(each for each in _numbered(name) if each not in taken)


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in count(2):
        ending = f"-{number}"
        yield _trimmed(name, LONGEST - len(ending)) + ending


def _trimmed(name: str, length: int) -> str:
    return name.strip("._-")[:length].rstrip("._-")
