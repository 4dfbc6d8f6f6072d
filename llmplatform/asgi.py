"""The ASGI application of both servers: the gateway, websockets and Django, behind
the policy (llmplatform.policy).

uvicorn announces its start and stop (lifespan). daphne does not, so the gateway starts
its background work with the first request.
"""

import gc
import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
to_django = get_asgi_application()

from common.broker import CHANGES  # noqa: E402 -- models need the app registry
from common.subscription import Subscription  # noqa: E402
from gateway import urls  # noqa: E402
from gateway.app import Gateway  # noqa: E402
from gateway.http import Receive, Scope, Send  # noqa: E402
from gateway.routes.loader import Loader  # noqa: E402
from gateway.usage.reporter import UsageReporter  # noqa: E402
from llmplatform.policy.stack import guard  # noqa: E402
from llmplatform.policy.url_prefix import add_prefix  # noqa: E402
from monitoring.history.recorder import Recorder  # noqa: E402
from monitoring.live.admission import Admission  # noqa: E402
from monitoring.live.consumers import LiveConsumer  # noqa: E402
from monitoring.live.subscribe import Hub  # noqa: E402
from monitoring.logs import consumers as logs  # noqa: E402
from monitoring.logs.feeds import FEEDS  # noqa: E402

LIVE = "/ws/live"

django = add_prefix(to_django)  # type: ignore[arg-type]
loader = Loader()
subscription = Subscription(settings.REDIS_URL)
gateway = Gateway(loader, subscription)
usage_reporter = UsageReporter(
    gateway.usage, gateway.routes, Recorder("gateway"), settings.REDIS_URL
)
admission = Admission()
subscription.subscribe(CHANGES, lambda _message: admission.check_soon())
hub = Hub(subscription)
live = LiveConsumer.as_asgi(hub=hub, admission=admission)
log = logs.LogConsumer.as_asgi(feeds=FEEDS, admission=admission)


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    if urls.is_gateway_path(scope["path"]):
        await gateway(scope, receive, send)
        if gateway.usage.digests:
            usage_reporter.start()
    else:
        await django(scope, receive, send)


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == LIVE:
        await live(scope, receive, send)
    elif logs.PATH.fullmatch(scope["path"]):
        await log(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close"})


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    gateway.routes.start()
    usage_reporter.start()
    # A full collection takes 80 ms with all that Django has loaded, in the middle of
    # somebody's request.
    gc.collect()
    gc.freeze()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await gateway.close()
    await usage_reporter.close()
    await FEEDS.close()
    await subscription.close()
    await admission.close()
    loader.close()
    await send({"type": "lifespan.shutdown.complete"})


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    await (http if scope["type"] == "http" else websocket)(scope, receive, send)


guarded = guard(serve)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    served = lifespan if scope["type"] == "lifespan" else guarded
    await served(scope, receive, send)
