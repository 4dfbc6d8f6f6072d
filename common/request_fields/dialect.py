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
    """chat and the other endpoints: the fields of each that differ from the gateway's:
    those the engine has in addition, and those it reads otherwise or not at all. adapt:
    rewrites a body without problems for the engine; adapt_tokenize: one for tokenize.
    paths: by name of the endpoint, where the engine has what not all engines have.
    stops_on_disconnect: whether it stops generating a whole answer once its client has
    left; others notice only while they stream."""

    chat: Fields = field(default_factory=dict)
    completions: Fields = field(default_factory=dict)
    embeddings: Fields = field(default_factory=dict)
    responses: Fields = field(default_factory=dict)
    messages: Fields = field(default_factory=dict)
    rerank: Fields = field(default_factory=dict)
    score: Fields = field(default_factory=dict)
    tokenize: Fields = field(default_factory=dict)
    adapt: Callable[[Body], Body] = as_it_is
    adapt_tokenize: Callable[[Body], Body] = as_it_is
    paths: Mapping[str, str] = field(default_factory=dict)
    stops_on_disconnect: bool = False


OPENAI = EngineDialect()
