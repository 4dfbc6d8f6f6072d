"""extra_args: options of an engine that a config may set, if a list allows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from common.problems import UNKNOWN_FIELDS_SHOWN, Problem, shorten
from runtimes.frameworks.base import Config
from runtimes.frameworks.fields import Field, bad_values

KEY = "extra_args"


def extra_problems(config: Config, allowed: Mapping[str, Field]) -> Iterator[Problem]:
    extra = config.get(KEY)
    if isinstance(extra, dict):
        yield from _not_allowed(extra, allowed)
        yield from bad_values(extra, allowed, prefix=f"{KEY}.")


def _not_allowed(
    extra: Mapping[str, object], allowed: Mapping[str, Field]
) -> Iterator[Problem]:
    refused = [key for key in extra if key not in allowed]
    for key in refused[:UNKNOWN_FIELDS_SHOWN]:
        name = f"{KEY}.{shorten(key)}"
        params: dict[str, object] = {"key": name, "allowed": list(allowed)}
        yield Problem(code="not_allowed", field=f"config.{name}", params=params)
