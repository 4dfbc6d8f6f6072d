import json
from contextlib import asynccontextmanager

import pytest

from models_app.enums import RunState
from monitoring.live.base_consumer import BAD_MESSAGE, SIGNED_OUT
from monitoring.logs.consumers import FIRST_LINES, NO_SUCH_RUN, TOO_MANY, LogConsumer
from monitoring.logs.feeds import BATCH_LINES, Feeds, Timing
from tests.builders import a_token, a_user
from tests.models_app.people import ROLES, a_person
from tests.monitoring.logs.log_writer import LogWriter
from tests.monitoring.sockets import Server, a_session, closed, in_database

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = Timing(read_s=0.01, row_s=0.05)
NOBODY = "0" * 32


class LogServer(Server):
    def __init__(self, limit=10):
        super().__init__()
        self.feeds = Feeds(QUICK, limit)
        self.app = LogConsumer.as_asgi(feeds=self.feeds, admission=self.admission)

    async def close(self):
        await super().close()
        await self.feeds.close()


@asynccontextmanager
async def serving(**options):
    server = LogServer(**options)
    try:
        yield server
    finally:
        await server.close()


@pytest.fixture
async def server():
    async with serving() as server:
        yield server


@pytest.fixture
async def cookie():
    return await in_database(a_session, await in_database(a_user, "viewer"))


@pytest.fixture
async def writer():
    return await in_database(LogWriter)


async def opened(server, uid, **headers):
    client = server.client(path=f"/ws/logs/{uid}", **headers)
    accepted, _ = await client.connect()
    assert accepted
    return client


async def receive(client):
    return json.loads(await client.receive_from(5))


async def test_lines_then_the_end_with_its_reason(server, cookie, writer):
    writer.write_lines("one", "\x1b[31mtwo")
    client = await opened(server, writer.uid, cookie=cookie)
    first = {"lines": ["one", "two"], "partial": "", "skipped": 0}
    assert await receive(client) == first
    writer.write_lines("three")
    assert (await receive(client))["lines"] == ["three"]
    await in_database(writer.end, "out_of_memory", {"x": 1}, exit_signal=9)
    assert await receive(client) == {
        "ended": {
            "code": "out_of_memory",
            "params": {"x": 1},
            "exit_code": None,
            "exit_signal": 9,
        }
    }
    assert await closed(client) == 1000


@pytest.mark.parametrize("credential", ["cookie", "token"])
@pytest.mark.parametrize("role", ROLES)
async def test_role_decides_who_may_connect(server, writer, role, credential):
    headers = {}
    if role != "anonymous":
        person = await in_database(a_person, role)
        if credential == "cookie":
            headers["cookie"] = await in_database(a_session, person)
        else:
            token = await in_database(a_token, person)
            headers["authorization"] = f"Bearer {token}"
    client = server.client(path=f"/ws/logs/{writer.uid}", **headers)
    accepted, _ = await client.connect()
    assert accepted is (role not in ("anonymous", "outsider"))


async def test_other_origin_is_rejected(server, cookie, writer):
    path, evil = f"/ws/logs/{writer.uid}", "http://evil.example"
    client = server.client(path=path, cookie=cookie, origin=evil)
    assert not (await client.connect())[0]


async def test_signing_out_closes_the_socket(server, writer):
    user = await in_database(a_user, "viewer")
    client = await opened(server, writer.uid, cookie=await in_database(a_session, user))
    await in_database(type(user).objects.update, is_active=False)
    assert await closed(client) == SIGNED_OUT


async def test_unknown_run_has_its_close_code(server, cookie):
    client = await opened(server, NOBODY, cookie=cookie)
    assert await closed(client) == NO_SUCH_RUN


async def test_too_many_followers_have_their_close_code(cookie, writer):
    async with serving(limit=1) as server:
        first = await opened(server, writer.uid, cookie=cookie)
        writer.write_lines("one")
        assert await receive(first)
        second = await opened(server, writer.uid, cookie=cookie)
        assert await closed(second) == TOO_MANY
        writer.write_lines("two")
        assert (await receive(first))["lines"] == ["two"]


async def test_client_that_acknowledges_nothing_gets_few_messages(
    server, cookie, writer
):
    client = await opened(server, writer.uid, cookie=cookie)
    for number in range(LogConsumer.max_unacknowledged):
        writer.write_lines(number)
        assert (await receive(client))["lines"] == [str(number)]
    writer.write_lines(*range(30_000))
    assert await client.receive_nothing(0.3)
    await client.send_to(json.dumps({"seen": LogConsumer.max_unacknowledged}))
    last = await receive(client)
    assert last["lines"][0] == str(last["skipped"])
    assert last["skipped"] >= 20_000


async def test_first_lines_are_limited(server, cookie, writer):
    writer.write_lines(*range(5000))
    client = await opened(server, writer.uid, cookie=cookie)
    lines = [line for _ in range(FIRST_LINES // BATCH_LINES) for line in
             (await receive(client))["lines"]]  # fmt: skip
    assert lines == [str(n) for n in range(3000, 5000)]


@pytest.mark.parametrize(
    "text", ["x", "[]", '{"seen": 9}', '{"topics": []}', "{" * 999]
)
async def test_invalid_message_closes_the_socket(server, cookie, writer, text):
    client = await opened(server, writer.uid, cookie=cookie)
    await client.send_to(text)
    assert await closed(client) == BAD_MESSAGE


async def test_hostile_bytes_are_text(server, cookie):
    writer = await in_database(LogWriter, RunState.ENDED)
    writer.write(b"<script>alert(1)</script>\n\xff\x00\x1b]0;x\x07\n" + b"y" * 10**6)
    client = await opened(server, writer.uid, cookie=cookie)
    lines = []
    while "lines" in (text := await receive(client)):
        lines += text["lines"]
    script, junk, long = lines
    assert (script, junk) == ("<script>alert(1)</script>", "\ufffd")
    assert len(long) < 10_000
