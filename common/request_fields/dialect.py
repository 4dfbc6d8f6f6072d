"""What an engine reads of a request: filled in by frameworks, applied by the gateway.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from common.request_fields.checks import Check

Body = dict[str, Any]
Fields = Mapping[str, Check]


def as_it_is(body: Body) -> Body:
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDialect:
    """chat, completions and embeddings: the fields of each endpoint that differ from
    OpenAI's: those the engine has in addition, and those it reads otherwise or not at
    all. adapt: rewrites a body without problems for the engine."""

    chat: Fields = field(default_factory=dict)
    completions: Fields = field(default_factory=dict)
    embeddings: Fields = field(default_factory=dict)
    adapt: Callable[[Body], Body] = as_it_is


OPENAI = EngineDialect()
