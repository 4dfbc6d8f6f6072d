"""Counters in a real broker, with real processes."""

import asyncio
import json
import secrets
import signal
import sys
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings

from gateway.limits.rules import Limit, Windows, claim
from gateway.limits.shared import TIMEOUT_S, SharedCounters
from tests.common.test_subscription import a_broker
from tests.gateway.client import until

WINDOWS = Windows(ZoneInfo("UTC"))
NOW = 4_000_000_010.0  # far from the end of its minute, day and month
# Takes as often as it is told to, then holds what it has until its input ends.
PROCESS = """
import asyncio, json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "llmplatform.settings"
import django
django.setup()
from zoneinfo import ZoneInfo
from gateway.limits.rules import Limit, Windows, claim
from gateway.limits.shared import SharedCounters

async def main(url, key, figures, count):
    shared = SharedCounters(url)
    limit = Limit(key=key, subject="token", **figures)
    needed = claim([limit], Windows(ZoneInfo("UTC")), 4_000_000_010.0, 1)
    found = await asyncio.gather(*(shared.take(needed) for _ in range(count)))
    print(sum(admitted for admitted, _ in found), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await shared.close()

asyncio.run(main(*json.loads(sys.argv[1])))
"""


@pytest.fixture
def key():
    return secrets.token_hex(4)


@pytest.fixture
async def shared():
    started = []

    def start(url=settings.REDIS_URL):
        started.append(SharedCounters(url))
        return started[-1]

    yield start
    for each in started:
        await each.close()


def needing(key, size=1, **figures):
    return claim([Limit(key=key, subject="token", **figures)], WINDOWS, NOW, size)


async def take(counters, claims):
    return [each[0] for each in await asyncio.gather(*map(counters.take, claims))]


async def a_process(key, figures, count, url=settings.REDIS_URL):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, json.dumps([url, key, figures, count]),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    return process, int(await process.stdout.readline())


async def end(process):
    process.stdin.close()
    assert await process.wait() == 0


@pytest.mark.parametrize("name", ["requests_per_minute", "max_in_flight"])
async def test_limit_is_exact_under_200_requests_on_two_processes(name, key):
    started = await asyncio.gather(
        a_process(key, {name: 37}, 100), a_process(key, {name: 37}, 100)
    )
    assert sum(admitted for _, admitted in started) == 37
    for process, _ in started:
        await end(process)


async def test_requests_in_flight_of_a_killed_process_count_no_more(key, shared):
    process, admitted = await a_process(key, {"max_in_flight": 3}, 5)
    assert admitted == 3
    counters, needed = shared(), needing(key, max_in_flight=3)
    assert await take(counters, [needed]) == [False]
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with asyncio.timeout(60):
        while not (await counters.take(needed))[0]:
            await asyncio.sleep(0.2)
    counters.release(needed)


async def test_process_that_lives_keeps_its_places(key, shared):
    first, second = shared(), shared()
    needed = needing(key, max_in_flight=1)
    assert await take(first, [needed]) == [True]
    await asyncio.sleep(6)  # longer than a silent process counts
    assert await take(second, [needed]) == [False]
    first.release(needed)
    async with asyncio.timeout(30):
        while not (await second.take(needed))[0]:
            await asyncio.sleep(0.02)


async def test_tokens_are_settled_for_all_processes(key, shared):
    first, second = shared(), shared()
    needed = needing(key, tokens_per_day=100)
    assert await take(first, [needed]) == [True]
    first.settle(needed, 99)
    async with asyncio.timeout(30):
        while (await second.take(needed))[1] != [99]:
            await asyncio.sleep(0.02)
    second.settle(needed, 10)  # the last request may overshoot
    async with asyncio.timeout(30):
        while (await first.take(needed))[0]:
            await asyncio.sleep(0.02)
    assert await take(second, [needed]) == [False]


async def test_cancelled_request_leaves_no_place_taken(key, shared):
    counters, needed = shared(), needing(key, max_in_flight=1)
    for turns in range(12):
        task = asyncio.create_task(counters.take(needed))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        if not task.cancel():
            counters.release(needed)
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(30):
        while not (await counters.take(needed))[0]:
            await asyncio.sleep(0.02)
    counters.release(needed)
    assert not counters.local.held


async def test_without_a_broker_each_process_limits_alone(key, shared, tmp_path):
    url = f"unix://{tmp_path}/none.sock"
    needed = needing(key, requests_per_minute=3, max_in_flight=9)
    counters = shared(url)
    assert await take(counters, [needed] * 9) == [True] * 3 + [False] * 6
    assert counters.is_broker_down


async def test_counts_survive_a_broker_that_dies_and_forgets(key, shared, tmp_path):
    path = tmp_path / "b.sock"
    url, needed = f"unix://{path}", needing(key, requests_per_minute=10)
    server = a_broker(path)
    first, second = shared(url), shared(url)
    try:
        assert await take(first, [needed] * 4) == [True] * 4
        server.kill()
        server.wait()
        assert await take(first, [needed] * 2) == [True] * 2
        assert first.is_broker_down
        path.unlink()
        server = a_broker(path)
        first._wake()
        await until(lambda: not first.is_broker_down)
        assert await take(second, [needed] * 9) == [True] * 4 + [False] * 5
    finally:
        server.kill()
        server.wait()


async def test_broker_that_hangs_delays_requests_once(key, shared, tmp_path):
    path = tmp_path / "b.sock"
    needed = needing(key, requests_per_minute=4)
    server = a_broker(path)
    counters = shared(f"unix://{path}")
    try:
        assert await take(counters, [needed]) == [True]
        server.send_signal(signal.SIGSTOP)
        assert await take(counters, [needed] * 2) == [True] * 2
        assert counters.is_broker_down
        # decided here from now on, without a wait for the broker
        async with asyncio.timeout(TIMEOUT_S / 2):
            assert await take(counters, [needed] * 2) == [True, False]
        server.send_signal(signal.SIGCONT)
        await until(lambda: not counters.is_broker_down)
    finally:
        server.kill()
        server.wait()


async def test_nothing_runs_after_the_end(key, shared):
    counters, needed = shared(), needing(key, max_in_flight=1)
    assert await take(counters, [needed]) == [True]
    counters.release(needed)
    await counters.close()
    await asyncio.sleep(0.2)  # longer than a release waits
    assert asyncio.all_tasks() == {asyncio.current_task()}
