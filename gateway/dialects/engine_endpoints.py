"""Endpoints that only some engines have, passed through: rerank, score and tokenize."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from common.problems import Problem
from common.request_fields.checks import Check
from common.request_fields.dialect import Body
from gateway.dialects import offers
from gateway.dialects.base import EngineRequest
from gateway.dialects.payload import engine_payload, field_problems, given
from gateway.engines.errors import parse_response
from gateway.errors import validation_error
from gateway.protocol import fields
from gateway.protocol.validation import dump_json, missing
from gateway.routes.table import Route
from gateway.usage.tracker import RequestStats, Usage

Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """name: of its fields and its path in an EngineDialect."""

    name: str
    fields: Mapping[str, Check]
    required: Callable[[Body], Iterator[Problem]]


def _rerank_required(body: Body) -> Iterator[Problem]:
    yield from missing(body, ["query", "documents"])


def _score_required(body: Body) -> Iterator[Problem]:
    if not any(a in body and b in body for a, b in fields.SCORE_PAIRS):
        yield from missing(body, fields.SCORE_PAIRS[0])


def _tokenize_required(body: Body) -> Iterator[Problem]:
    if "messages" not in body:
        yield from missing(body, ["prompt"])


RERANK = Endpoint(name="rerank", fields=fields.RERANK, required=_rerank_required)
SCORE = Endpoint(name="score", fields=fields.SCORE, required=_score_required)
TOKENIZE = Endpoint(
    name="tokenize", fields=fields.TOKENIZE, required=_tokenize_required
)


def build_request(
    endpoint: Endpoint, body: Body, route: Route, stats: RequestStats
) -> EngineRequest:
    """Raises GatewayError, InvalidJsonError."""
    body = given(body)
    offers.require(route, endpoint.name)
    known = {**endpoint.fields, **getattr(route.dialect, endpoint.name)}
    if problems := [
        *field_problems(body, known, all_known=bool(route.replicas)),
        *endpoint.required(body),
    ]:
        raise validation_error(*problems)
    payload = {**engine_payload(body, known, route), "model": route.name}
    if endpoint is TOKENIZE:
        payload = route.dialect.adapt_tokenize(payload)
    return EngineRequest(
        path=route.dialect.paths.get(endpoint.name, ""),
        content=dump_json(payload),
        stream=False,
        translator=(TokensTranslator if endpoint is TOKENIZE else WholeTranslator)(
            stats
        ),
        is_deterministic=endpoint is not TOKENIZE,
    )


class WholeTranslator:
    """Of a response that is never streamed: reads its usage."""

    def __init__(self, stats: RequestStats) -> None:
        self.done = False
        self._stats = stats

    def translate_body(self, content: bytes) -> bytes:
        usage = parse_response(content).get("usage")
        self._stats.usage = Usage.parse(usage) or self._stats.usage
        return content

    def passes(self, events: bytes) -> bool:
        return False

    def translate_event(self, event: bytes) -> bytes:
        return event


class TokensTranslator(WholeTranslator):
    """Not every engine counts the tokens that it lists."""

    def translate_body(self, content: bytes) -> bytes:
        response = parse_response(content)
        tokens = response.get("tokens")
        if "count" in response or not isinstance(tokens, list):
            return content
        return dump_json({"count": len(tokens), **response})
