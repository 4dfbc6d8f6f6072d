"""The gateway: an ASGI application that serves inference traffic ahead of Django.

No request touches the database or a Django handler. Background work starts with the
first request and belongs to its event loop, because daphne has no ASGI lifespan.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from django.conf import settings
from django.utils import translation

from common.problems import shorten
from common.request_fields.dialect import Body
from common.subscription import Subscription
from gateway import urls
from gateway.auth import Caller, authenticate, authorization
from gateway.cache.responses import Recording, Replay, ResponseCache, unmark
from gateway.dialects import engine_endpoints, native, openai, transcriptions
from gateway.dialects.anthropic import messages
from gateway.dialects.base import EngineRequest
from gateway.dialects.responses import responses
from gateway.engines.client import EngineClient
from gateway.engines.replicas import affinity_of, session_of
from gateway.errors import GatewayError, alias_without_models, may_try_another
from gateway.http import ClientDisconnectedError, Receive, Request, Scope, Send
from gateway.limits.admission import Limits
from gateway.messages import preferred_language
from gateway.protocol.sse import format_event
from gateway.protocol.validation import InvalidJsonError, parse_json
from gateway.relay import Relay
from gateway.routes.aliases import candidates
from gateway.routes.cache import DEFAULT_TIMING, RouteCache, Timing
from gateway.routes.table import Alias, Route, RoutingTable
from gateway.usage.tracker import RequestStats, UsageTracker

logger = logging.getLogger(__name__)

SERVED_MODEL = b"x-served-model"
BuildRequest = Callable[[Body, Route, RequestStats], EngineRequest]


class Gateway:
    def __init__(
        self,
        load: Callable[[], Awaitable[RoutingTable]],
        subscription: Subscription,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self.limits = Limits()
        self.routes = RouteCache(load, subscription, timing, self.limits.count_used)
        self.engines = EngineClient()
        self.usage = UsageTracker()
        self.cache = ResponseCache(settings.RESPONSE_CACHE_BYTES)
        build = engine_endpoints.build_request
        self.handlers: dict[str, Callable[[Request, str], Awaitable[None]]] = {
            urls.GENERATE: self._generate,
            urls.CHAT: partial(self._openai, openai.CHAT),
            urls.COMPLETIONS: partial(self._openai, openai.COMPLETIONS),
            urls.EMBEDDINGS: partial(self._openai, openai.EMBEDDINGS),
            urls.RESPONSES: partial(self._named, responses.build_request),
            urls.MESSAGES: partial(self._named, messages.build_request),
            urls.COUNT_TOKENS: partial(self._named, messages.build_count),
            urls.TRANSCRIPTIONS: self._transcribe,
            urls.RERANK: partial(self._named, partial(build, engine_endpoints.RERANK)),
            urls.SCORE: partial(self._named, partial(build, engine_endpoints.SCORE)),
            urls.TOKENIZE: partial(
                self._named, partial(build, engine_endpoints.TOKENIZE)
            ),
            urls.MODELS: self._list_models,
            urls.MODEL: self._get_model,
        }

    async def close(self) -> None:
        await self.routes.close()
        await self.engines.close()
        await self.limits.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """scope: http, with a path for which urls.is_gateway_path() is true."""
        match = urls.resolve(scope["path"])
        request = Request(scope, receive, send)
        try:
            await self._dispatch(request, match)
        except ClientDisconnectedError:
            return
        except InvalidJsonError as error:
            problem = GatewayError(400, "parse_error", {"detail": str(error)})
            await self._send_error(request, match, problem)
        except GatewayError as error:
            await self._send_error(request, match, error)
        except Exception:
            logger.exception("request failed: %s", match.endpoint)
            await self._send_error(request, match, GatewayError(500, "internal_error"))

    async def _send_error(
        self, request: Request, match: urls.Match, error: GatewayError
    ) -> None:
        unmark(request)
        self.limits.add_headers(request, error)
        accept = request.headers.get(b"accept-language", b"").decode("latin-1")
        with translation.override(preferred_language(accept)):
            content = json.dumps(match.format_error(error), ensure_ascii=False).encode()
        if request.response_finished:
            return
        if request.response_started:
            await request.finish(format_event(content, match.error_event))
        else:
            await request.respond(error.status, content, error.headers)

    async def _dispatch(self, request: Request, match: urls.Match) -> None:
        if match.endpoint not in self.handlers:
            params = {"value": shorten(match.key), "nearest": urls.suggest(match.key)}
            raise GatewayError(404, "no_such_path", params)
        if request.method == "OPTIONS":
            return await request.respond_empty([match.allow_header])
        if request.method not in match.methods:
            raise GatewayError(
                405,
                "method_not_allowed",
                {"value": request.method, "allowed": match.methods},
                extra_headers=[match.allow_header],
            )
        return await self.handlers[match.endpoint](request, match.key)

    async def _authenticate(self, request: Request) -> Caller:
        caller = await authenticate(authorization(request.headers), self.routes)
        request.limits = caller.grant.limits
        self.usage.digests.add(caller.digest)
        return caller

    async def _generate(self, request: Request, model: str) -> None:
        caller = await self._authenticate(request)
        route = caller.find(model)
        await self._serve(request, caller, route, native.build_request, None)

    async def _openai(
        self, endpoint: openai.Endpoint, request: Request, _key: str
    ) -> None:
        await self._named(partial(openai.build_request, endpoint), request, _key)

    async def _named(self, build: BuildRequest, request: Request, _key: str) -> None:
        """Serves a JSON body that names its model."""
        caller = await self._authenticate(request)
        body = parse_json(await request.body())
        route = caller.find(openai.model_name(body))
        await self._serve(request, caller, route, build, body)

    async def _transcribe(self, request: Request, _key: str) -> None:
        caller = await self._authenticate(request)
        content_type = request.headers.get(b"content-type", b"")
        form = transcriptions.parse(await request.body(), content_type)
        route = caller.find(openai.model_name(form.body))
        build = partial(transcriptions.build_request, form)
        await self._serve(request, caller, route, build, form.body)

    async def _serve(
        self,
        request: Request,
        caller: Caller,
        route: Route | Alias,
        build: BuildRequest,
        body: Body | None,
    ) -> None:
        if isinstance(route, Alias):
            return await self._serve_alias(request, caller, route, build, body)
        request.limits = (*caller.grant.limits, *route.limits)
        with self.usage.track(route, caller.grant) as stats:
            if body is None:
                body = parse_json(await request.body())
            engine_request = build(body, route, stats)
            affinity = ""
            if len(route.replicas) > 1:
                affinity = affinity_of(request.headers, body)
            relay: Relay | Recording | Replay
            relay = Relay(self.engines, request, route, engine_request, stats, affinity)
            if route.cache_ttl_s:
                relay = self.cache.through(relay, body)
            with request.cancel_on_disconnect():
                on_wait = request.keep_alive if engine_request.stream else None
                admission = self.limits.admit(caller, relay.route, body, on_wait)
                admission.headers = request.response_headers
                try:
                    async with admission:
                        await relay.run()
                finally:
                    stats.queued_s = admission.queued_s
                    admission.settle(stats.usage.total_tokens or stats.tokens_seen)

    async def _serve_alias(
        self,
        request: Request,
        caller: Caller,
        alias: Alias,
        build: BuildRequest,
        body: Body | None,
    ) -> None:
        """Tries its models in turn until one has begun to answer."""
        body = parse_json(await request.body()) if body is None else body
        problem = alias_without_models(alias)
        for route in candidates(alias, session_of(request.headers, body)):
            request.response_headers = [(SERVED_MODEL, route.name.encode())]
            try:
                return await self._serve(request, caller, route, build, body)
            except GatewayError as error:
                if request.has_content or not may_try_another(error):
                    raise
                problem = error
        raise problem

    async def _list_models(self, request: Request, _key: str) -> None:
        caller = await self._authenticate(request)
        await request.respond_json(openai.model_list(caller.visible))

    async def _get_model(self, request: Request, model: str) -> None:
        caller = await self._authenticate(request)
        route = caller.find(model)
        is_id = isinstance(route, Route) and model not in route.aliases
        name = route.name if is_id else model
        await request.respond_json(openai.model_object(route, name))
