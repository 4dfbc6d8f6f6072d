import asyncio
import gc
import threading
import time

import pytest

from monitoring.exports.stream import Places, Stream


class Source:
    """Chunks that say which thread made them, and when they were closed."""

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


async def test_chunks_are_made_one_at_a_time_on_one_thread_that_is_not_the_loops():
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


async def test_loop_is_not_held_up():
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


@pytest.mark.parametrize("begun", [False, True])
async def test_closing_ends_the_source_and_gives_the_place_back_once(begun):
    source, done = Source(3), []
    stream = Stream(source, lambda: done.append(1))
    if begun:
        await anext(aiter(stream))
    stream.close()
    stream.close()
    assert done == [1]
    assert await asyncio.to_thread(source.closed.wait, 5)


def test_answer_that_nobody_sends_gives_its_place_back():
    done = []
    Stream(Source(3), lambda: done.append(1))
    gc.collect()
    assert done == [1]


def test_each_user_has_so_many_places():
    places = Places(each=2)
    first, second = places.take(1), places.take(1)
    assert first is not None
    assert second is not None
    assert places.take(1) is None
    assert places.take(2) is not None
    first()
    assert places.take(1) is not None
    assert places.take(1) is None
