import asyncio
import logging
import time

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from knox.crypto import hash_token
from redis.asyncio import Redis

from gateway.usage.reporter import UsageReporter
from models_app.models import ApiToken
from monitoring.history.recorder import Recorder
from monitoring.live import traffic
from monitoring.models import Bucket10s
from tests.builders import a_user
from tests.gateway.client import GENERATE, PROMPT, TOKEN, a_route, fetch, until
from tests.gateway.routes.test_cache import NO_BROKER
from tests.monitoring.history.rows import bucket_of, stored

QUICK_S = 0.02


@pytest.fixture
async def start_reporter(gateway, transactional_db):
    """Starts reporter of the gateway; all is closed in the end."""
    started = []

    def start(broker_url=settings.REDIS_URL, interval_s=QUICK_S):
        recorder = Recorder("gateway")
        reporter = UsageReporter(
            gateway.usage, gateway.routes, recorder, broker_url, interval_s
        )
        started.append(reporter)
        reporter.start()
        return reporter

    yield start
    for reporter in started:
        await reporter.close()


@pytest.fixture
async def broker():
    async with Redis.from_url(settings.REDIS_URL) as broker:
        await broker.delete(traffic.KEY)
        yield broker
        await broker.delete(traffic.KEY)


async def totals(*metrics, model="7"):
    def read():
        starts = Bucket10s.objects.values_list("start", flat=True).distinct()
        buckets = [bucket_of("model", model, start) for start in starts]
        return tuple(sum(b.get(m, [0] * 4)[2] for b in buckets) for m in metrics)

    return await sync_to_async(read)()


async def test_history_has_exactly_the_requests_sent(gateway, engine, start_reporter):
    reporter = start_reporter()
    for index in range(40):
        engine.script.rejects = (500, {}) if index % 4 == 0 else None
        await fetch(gateway, "POST", GENERATE, PROMPT)
    await reporter.close()
    found = await totals("requests", "errors", "prompt_tokens", "completion_tokens")
    assert found == (40, 10, 30 * 31, 30 * 3)


@pytest.mark.parametrize("path", [GENERATE, "/api/models/gone/generate"])
async def test_use_of_tokens_is_recorded(gateway, start_reporter, path):
    user = await sync_to_async(a_user)()
    rows = [
        ApiToken(user=user, name=name, digest=digest)
        for name, digest in [("used", hash_token(TOKEN)), ("other", "0")]
    ]
    token, other = await ApiToken.objects.abulk_create(rows)
    reporter = start_reporter()
    await fetch(gateway, "POST", path, PROMPT)
    await reporter.close()
    await token.arefresh_from_db()
    await other.arefresh_from_db()
    assert time.time() - token.last_used_at.timestamp() < 120
    assert other.last_used_at is None


async def test_processes_add_up(gateway, start_reporter):
    one, other = start_reporter(), start_reporter()
    await asyncio.gather(*(fetch(gateway, "POST", GENERATE, PROMPT) for _ in range(30)))
    await one.close()
    await fetch(gateway, "POST", GENERATE, PROMPT)
    await other.close()
    assert await totals("requests") == (31,)


async def test_idle_running_models_count_zero_and_others_nothing(
    gateway, loader, start_reporter
):
    routes = [a_route("smol"), a_route("idle", model_id=8, status="stopped")]
    loader.serve(*routes)
    reporter = start_reporter(interval_s=60)
    await gateway.routes.current()
    await reporter.close()
    rows = await sync_to_async(
        lambda: [(r.source.key, stored(r)) for r in Bucket10s.objects.all()]
    )()
    [(key, values)] = rows
    assert (key, values["requests"]) == ("7", [0, 0, 0, 1])


async def test_reporter_can_be_restarted(gateway, start_reporter):
    reporter = start_reporter()
    await reporter.close()
    await reporter.close()
    reporter.start()
    reporter.start()
    await fetch(gateway, "POST", GENERATE, PROMPT)
    await reporter.close()
    assert await totals("requests") == (1,)


async def test_live_traffic_is_published(gateway, engine, start_reporter, broker):
    engine.script.delay_s = 0.1
    start_reporter()
    request = asyncio.create_task(fetch(gateway, "POST", GENERATE, PROMPT))
    seen = []

    async def look():
        reports = traffic.fresh_reports(await broker.hgetall(traffic.KEY), time.time())
        seen.extend(t.models["7"] for t in reports.values() if "7" in t.models)

    while not request.done():
        await look()
        await asyncio.sleep(0.005)
    assert {each["in_flight"] for each in seen} == {1}
    async with asyncio.timeout(5):
        while not any(each["requests"] for each in seen):
            await look()
    ended = next(each for each in seen if each["requests"])
    assert (ended["completion_tokens"], ended["in_flight"]) == (3, 0)
    assert sum(ended["response_time"]["counts"].values()) == 1


async def test_missing_broker_is_logged_once_and_harmless(
    gateway, start_reporter, caplog
):
    reporter = start_reporter(NO_BROKER)
    await until(lambda: "broker unavailable" in caplog.text)
    await fetch(gateway, "POST", GENERATE, PROMPT)
    await asyncio.sleep(5 * QUICK_S)
    await reporter.close()
    warnings = [r for r in caplog.records if r.name == "gateway.usage.reporter"]
    assert [record.levelno for record in warnings] == [logging.WARNING]
    assert await totals("requests") == (1,)
