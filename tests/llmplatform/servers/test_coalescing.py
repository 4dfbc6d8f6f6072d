import asyncio

import pytest

from llmplatform.servers.coalescing import COPIED_BYTES, CoalescingTransport

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
LARGE = b"x" * (COPIED_BYTES + 1)


class Recorder(asyncio.Transport):
    def __init__(self):
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.calls = []

    def write(self, data):
        self.calls.append(data)

    def write_eof(self):
        self.calls.append("eof")

    def close(self):
        self.calls.append("close")


@pytest.fixture
async def recorder():
    return Recorder()


@pytest.fixture
async def transport(recorder):
    return CoalescingTransport(recorder, asyncio.get_running_loop())


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([HEAD, b"body"], [HEAD + b"body"]),
        ([HEAD, b"body", b"more"], [HEAD + b"body", b"more"]),
        ([HEAD, LARGE], [HEAD, LARGE]),
        ([b"part", b"part"], [b"part", b"part"]),
        ([HEAD, b"", HEAD, b"two"], [HEAD, HEAD + b"two"]),
        ([HEAD, HEAD], [HEAD + HEAD]),
    ],
)
async def test_head_goes_with_the_first_part(recorder, transport, parts, expected):
    for part in parts:
        transport.write(part)
    assert recorder.calls == expected


async def test_head_alone_goes_at_the_end_of_the_turn(recorder, transport):
    transport.write(HEAD)
    assert recorder.calls == []
    await asyncio.sleep(0)
    assert recorder.calls == [HEAD]
    transport.write(b"body")
    assert recorder.calls == [HEAD, b"body"]


@pytest.mark.parametrize(("verb", "last"), [("close", "close"), ("write_eof", "eof")])
async def test_head_goes_before_the_end(recorder, transport, verb, last):
    transport.write(HEAD)
    getattr(transport, verb)()
    await asyncio.sleep(0)
    assert recorder.calls == [HEAD, last]


async def test_lines_keep_their_place(recorder, transport):
    transport.write(HEAD)
    transport.writelines([b"one", b"two"])
    assert recorder.calls == [HEAD + b"onetwo"]


async def test_the_rest_is_the_transports_own(transport):
    assert transport.get_extra_info("peername") == ("127.0.0.1", 1)
