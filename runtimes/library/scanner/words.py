"""Figures for people."""

from __future__ import annotations

from collections.abc import Sequence

SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
COUNTS = ("", " K", " M", " B")


def size_words(size: int) -> str:
    """Of bytes: 1.2 GiB."""
    return _scaled(size, 1024, [f" {unit}" for unit in SIZES])


def mib_words(mib: int | None) -> str:
    return "" if mib is None else size_words(mib * 2**20)


def count_words(count: int) -> str:
    """Of parameters: 134.5 M."""
    return _scaled(count, 1000, COUNTS) if count else ""


def _scaled(number: float, step: int, units: Sequence[str]) -> str:
    for unit in units[:-1]:
        if number < step:
            return _short(number) + unit
        number /= step
    return _short(number) + units[-1]


def _short(number: float) -> str:
    return (
        f"{number:.0f}" if number >= 100 or number == int(number) else f"{number:.1f}"
    )


def one_line(text: str) -> str:
    """For a terminal: names of files may hold anything, its commands too."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )
