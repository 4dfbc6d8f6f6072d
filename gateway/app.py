"""Inference traffic, ahead of Django: none of its handlers and no database on the way.

Belongs to the event loop of its first use; a server without ASGI's lifespan (daphne)
needs no more than that.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.utils import translation

from common.problems import shown
from gateway import urls
from gateway.auth import authorise
from gateway.dialects import native, openai
from gateway.engines.client import Engines
from gateway.errors import GatewayError, no_such_model
from gateway.http import ClientGoneError, Exchange, Receive, Scope, Send
from gateway.messages import language_of
from gateway.protocol.sse import event_of
from gateway.protocol.validation import Body, NotJsonError, parsed
from gateway.relay import Relay, Request
from gateway.routes.cache import USUAL, Pace, Refresh
from gateway.routes.table import Route, Table
from gateway.usage.tracker import Accounting, Measured

logger = logging.getLogger(__name__)

Translate = Callable[[Body, Route, Measured], Request]


class Gateway:
    def __init__(
        self,
        load: Callable[[], Awaitable[Table]],
        broker_url: str,
        pace: Pace = USUAL,
    ) -> None:
        self.refresh = Refresh(load, broker_url, pace)
        self.engines = Engines()
        self.accounting = Accounting()
        self.answers: dict[str, Callable[[Exchange, str], Awaitable[None]]] = {
            urls.GENERATE: self._generate,
            urls.CHAT: partial(self._openai, openai.CHAT),
            urls.COMPLETIONS: partial(self._openai, openai.COMPLETIONS),
            urls.EMBEDDINGS: partial(self._openai, openai.EMBEDDINGS),
            urls.MODELS: self._models,
            urls.MODEL: self._model,
        }

    async def close(self) -> None:
        await self.refresh.close()
        await self.engines.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """scope: http, with a path that urls.takes()."""
        place = urls.find(scope["path"])
        exchange = Exchange(scope, receive, send)
        try:
            await self._answer(exchange, place)
        except ClientGoneError:
            return
        except NotJsonError as error:
            problem = GatewayError(400, "parse_error", {"detail": str(error)})
            await _refuse(exchange, place, problem)
        except GatewayError as error:
            await _refuse(exchange, place, error)
        except Exception:
            logger.exception("request failed: %s", place.name)
            await _refuse(exchange, place, GatewayError(500, "internal_error"))

    async def _answer(self, exchange: Exchange, place: urls.Place) -> None:
        if place.name not in self.answers:
            raise GatewayError(404, "no_such_path", {"value": shown(place.key)})
        if exchange.method == "OPTIONS":
            return await exchange.answer_nothing([place.allow])
        if exchange.method not in place.methods:
            params = {"value": exchange.method, "allowed": place.methods}
            raise GatewayError(405, "method_not_allowed", params, more=[place.allow])
        return await self.answers[place.name](exchange, place.key)

    async def _authorised(self, exchange: Exchange) -> Table:
        return await authorise(exchange.headers.get(b"authorization"), self.refresh)

    async def _generate(self, exchange: Exchange, name: str) -> None:
        route = _route(await self._authorised(exchange), name)
        await self._serve(exchange, route, native.request_of, None)

    async def _openai(
        self, endpoint: openai.Endpoint, exchange: Exchange, _key: str
    ) -> None:
        table = await self._authorised(exchange)
        body = parsed(await exchange.body())
        route = _route(table, openai.model_of(body))
        translate = partial(openai.request_of, endpoint)
        await self._serve(exchange, route, translate, body)

    async def _serve(
        self, exchange: Exchange, route: Route, translate: Translate, body: Body | None
    ) -> None:
        with self.accounting.request(route.model_id) as measured, _outcome(measured):
            if body is None:
                body = parsed(await exchange.body())
            request = translate(body, route, measured)
            relay = Relay(self.engines, exchange, route, request, measured)
            await exchange.unless_gone(relay.run())

    async def _models(self, exchange: Exchange, _key: str) -> None:
        await exchange.answer_json(openai.listing(await self._authorised(exchange)))

    async def _model(self, exchange: Exchange, name: str) -> None:
        route = _route(await self._authorised(exchange), name)
        await exchange.answer_json(openai.described(route))


def _route(table: Table, name: str) -> Route:
    route = table.route(name)
    if route is None:
        raise no_such_model(shown(name))
    return route


@contextmanager
def _outcome(measured: Measured) -> Iterator[None]:
    try:
        yield
    except GatewayError as error:
        measured.status = error.status
        raise
    except NotJsonError:
        measured.status = 400
        raise
    except (ClientGoneError, asyncio.CancelledError):
        measured.cancelled = True
        raise
    except Exception:
        measured.status = 500
        raise


async def _refuse(exchange: Exchange, place: urls.Place, error: GatewayError) -> None:
    accepted = exchange.headers.get(b"accept-language", b"").decode("latin-1")
    with translation.override(language_of(accepted)):
        content = json.dumps(place.shape(error), ensure_ascii=False).encode()
    if exchange.finished:
        return
    if exchange.started:
        await exchange.finish(event_of(content, place.error_event))
    else:
        await exchange.answer(error.status, content, error.headers)
