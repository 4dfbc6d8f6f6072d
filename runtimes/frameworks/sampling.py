"""Defaults for requests, which any framework's config may hold."""

from __future__ import annotations

from collections.abc import Mapping

from runtimes.frameworks.fields import Field, Number

SAMPLING: dict[str, Field] = {
    "temperature": Number(min=0, max=2),
    "top_p": Number(min=0, max=1, min_itself=False),
}


def sampling(config: Mapping[str, object]) -> dict[str, float]:
    given = {key: config.get(key) for key in SAMPLING}
    return {k: float(v) for k, v in given.items() if isinstance(v, int | float)}
