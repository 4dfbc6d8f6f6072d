"""Sizes and counts as text."""

from __future__ import annotations

from collections.abc import Sequence

SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
COUNTS = ("", " K", " M", " B")


def format_bytes(size: int) -> str:
    """Such as 1.2 GiB."""
    return _scaled(size, 1024, [f" {unit}" for unit in SIZES])


def format_mib(mib: int | None) -> str:
    return "" if mib is None else format_bytes(mib * 2**20)


def format_count(count: int) -> str:
    """Such as 134.5 M."""
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


def printable(text: str) -> str:
    """For a terminal: file names may hold anything, control sequences included."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )
