"""A request in flight ends when its caller may no longer use models."""

import asyncio
import time

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import Group

from common.subscription import Subscription
from gateway.app import Gateway
from gateway.routes.cache import Timing
from gateway.routes.loader import Loader
from models_app.enums import RunState
from models_app.tokens import create_token, delete_token
from tests.builders import a_model, a_run, a_user
from tests.gateway.client import CHAT, CHAT_BODY, GENERATE, PROMPT, fetch, until
from tests.gateway.engine import KEY

NEVER = Timing(period_s=3600)
STREAM = {**CHAT_BODY, "stream": True}


@pytest.fixture
def token(transactional_db, engine):
    model = a_model("smol", status="running", desired_state="running")
    a_run(model, RunState.READY, port=engine.port, engine_key=KEY)
    return create_token(a_user("operator"), "one")


@pytest.fixture
async def live(token):
    """A gateway that reloads its table only on changes."""
    loader, subscription = Loader(), Subscription(settings.REDIS_URL)
    gateway = Gateway(loader, subscription, NEVER)
    gateway.routes.start()
    yield gateway
    await gateway.close()
    await subscription.close()
    loader.close()


def revoked(token):
    delete_token(token)


def deleted_otherwise(token):
    token.delete()


def user_disabled(token):
    token.user.is_active = False
    token.user.save()


def demoted(token):
    token.user.groups.set([Group.objects.get(name="viewer")])


def group_loses_permission(token):
    token.user.groups.get().permissions.clear()


CHANGES = {
    revoked: "authentication_failed",
    deleted_otherwise: "authentication_failed",
    user_disabled: "authentication_failed",
    demoted: "permission_denied",
    group_loses_permission: "permission_denied",
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_generation_is_cut_off_when_access_ends(live, engine, token, change):
    engine.script.pieces, engine.script.delay_s = ("word",) * 10_000, 0.05
    row, text = token
    stream = asyncio.create_task(
        fetch(live, "POST", GENERATE, {**PROMPT, "stream": True}, token=text)
    )
    complete = asyncio.create_task(fetch(live, "POST", CHAT, CHAT_BODY, token=text))
    await until(lambda: engine.in_flight == 2)
    await asyncio.sleep(0.2)  # for the notices of the fixtures
    await sync_to_async(change)(row)
    streamed, completed = await asyncio.gather(stream, complete)
    await until(lambda: engine.cancelled == 2)
    assert (streamed.status, streamed.events[-1]["code"]) == (200, CHANGES[change])
    assert completed.status in (401, 403)
    assert not live.admission.in_flight


async def test_generation_is_cut_off_when_its_token_expires(gateway, engine, loader):
    engine.script.delay_s = 60
    route = next(iter(loader.table.by_name.values()))
    loader.serve(route, expires_at=time.time() + 1)
    response = await fetch(gateway, "POST", CHAT, CHAT_BODY)
    assert response.status == 401
    assert response.json["error"]["code"] == "invalid_api_key"
    await until(lambda: engine.cancelled == 1)


async def test_access_that_ended_while_the_body_arrived_sends_nothing(
    gateway, engine, loader
):
    loader.serve(
        next(iter(loader.table.by_name.values())), expires_at=time.time() + 0.5
    )

    async def slow_app(scope, receive, send):
        async def slow_receive():
            await asyncio.sleep(0.6)
            return await receive()

        await gateway(scope, slow_receive, send)

    response = await fetch(slow_app, "POST", GENERATE, PROMPT)
    assert (response.status, engine.requests) == (401, [])
