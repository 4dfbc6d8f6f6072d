import asyncio
import gc
import threading
import time

import pytest

from monitoring.exports.stream import Stream, StreamLimit


class Source:
    """Records which threads pull chunks and whether it was closed."""

    def __init__(self, number):
        self.left = number
        self.threads = set()
        self.closed = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.current_thread().name)
        if not self.left:
            raise StopIteration
        self.left -= 1
        return b"chunk"

    def close(self):
        self.closed.set()


async def test_chunks_are_pulled_one_at_a_time_in_their_own_thread():
    source = Source(1000)
    stream = Stream(source, lambda: None)
    taken = 0
    async for chunk in stream:
        assert chunk == b"chunk"
        taken += 1
        assert source.left == 1000 - taken
    assert taken == 1000
    assert len(source.threads) == 1
    assert threading.current_thread().name not in source.threads


async def test_event_loop_is_not_blocked():
    def slow():
        time.sleep(0.2)
        yield b"late"

    async def ticks():
        for _ in range(10):
            await asyncio.sleep(0.01)
        return 10

    stream = Stream(slow(), lambda: None)
    first = asyncio.create_task(anext(aiter(stream)))
    assert await ticks() == 10
    assert not first.done()
    assert await first == b"late"


@pytest.mark.parametrize("started", [False, True])
async def test_close_closes_the_source_and_releases_once(started):
    source, done = Source(3), []
    stream = Stream(source, lambda: done.append(1))
    if started:
        await anext(aiter(stream))
    stream.close()
    stream.close()
    assert done == [1]
    assert await asyncio.to_thread(source.closed.wait, 5)


def test_unsent_response_is_released():
    done = []
    Stream(Source(3), lambda: done.append(1))
    gc.collect()
    assert done == [1]


def test_streams_per_user_are_limited():
    limit = StreamLimit(per_user=2)
    first, second = limit.acquire(1), limit.acquire(1)
    assert first is not None
    assert second is not None
    assert limit.acquire(1) is None
    assert limit.acquire(2) is not None
    first()
    assert limit.acquire(1) is not None
    assert limit.acquire(1) is None
