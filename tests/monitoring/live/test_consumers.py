import asyncio
import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from models_app.models import ApiToken
from models_app.tokens.lifecycle import create_token, delete_token
from monitoring.live import publish
from monitoring.live.base_consumer import BAD_MESSAGE, MAX_MESSAGE_CHARS, SIGNED_OUT
from monitoring.live.consumers import LiveConsumer
from tests.builders import a_token, a_user
from tests.gateway.client import until
from tests.models_app.people import ROLES, a_person
from tests.monitoring.sockets import (
    HOST,
    ON_CHANGE_ONLY,
    ORIGIN,
    a_session,
    closed,
    in_database,
    next_data,
    serving,
)

pytestmark = pytest.mark.django_db(transaction=True)
ALL = set(publish.TOPICS)


@pytest.fixture
async def server():
    async with serving() as server:
        yield server


@pytest.fixture
async def viewer():
    return await in_database(a_user, "viewer", is_staff=True)


@pytest.fixture
async def client(server, viewer):
    """An open socket of a viewer."""
    client = server.client(cookie=await in_database(a_session, viewer))
    assert (await client.connect())[0]
    return client


async def test_each_topic_arrives(server, client):
    for topic in publish.TOPICS:
        publish.publish(topic, {"of": topic})
    texts = [json.loads(await client.receive_from(5)) for _ in publish.TOPICS]
    assert {text["topic"] for text in texts} == ALL
    assert all(text["data"] == {"of": text["topic"]} for text in texts)


async def test_last_message_is_sent_at_once(server, viewer):
    publish.publish("status", {"running": 3})
    client = server.client(cookie=await in_database(a_session, viewer))
    await client.connect()
    assert await next_data(client, "status") == {"running": 3}


async def received_topics(client):
    for topic in publish.TOPICS:
        publish.publish(topic, 1)
    found = set()
    while not await client.receive_nothing(0.2):
        found.add(json.loads(await client.receive_from())["topic"])
    return found


@pytest.mark.parametrize("credential", ["cookie", "token"])
@pytest.mark.parametrize("role", ROLES)
async def test_role_decides_who_may_connect(server, role, credential):
    headers = {}
    if role != "anonymous":
        person = await in_database(a_person, role)
        if credential == "cookie":
            headers["cookie"] = await in_database(a_session, person)
        else:
            token = await in_database(a_token, person)
            headers["authorization"] = f"Bearer {token}"
    client = server.client(**headers)
    accepted, _ = await client.connect()
    assert accepted is (role not in ("anonymous", "outsider"))


@pytest.mark.parametrize(
    ("permissions", "topics"),
    [
        (["view_servedmodel", "view_activity", "view_alert"], ALL),
        (["view_servedmodel"], ALL - {"activity", "alerts"}),
        (["view_activity"], {"activity"}),
        (["view_alert"], {"alerts"}),
    ],
)
async def test_permissions_decide_the_topics(server, permissions, topics):
    def a_part_timer():
        user = a_user(name="part-timer")
        found = Permission.objects.filter(codename__in=permissions)
        user.user_permissions.set(found)
        return a_session(user)

    client = server.client(cookie=await in_database(a_part_timer))
    assert (await client.connect())[0]
    await client.send_to(json.dumps({"topics": list(publish.TOPICS)}))
    assert await received_topics(client) == topics


async def test_client_receives_the_topics_it_selects(client):
    await client.send_to('{"topics": ["gpus", "models"]}')
    await client.send_to("{}")
    assert await received_topics(client) <= {"gpus", "models"}
    assert await received_topics(client) == {"gpus", "models"}


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (ORIGIN, True),
        (f"https://{HOST}", True),
        ("https://trusted.example", True),
        ("https://a.below.example", True),
        ("http://trusted.example", False),
        ("https://trusted.example.evil.example", False),
        ("https://evilbelow.example", False),
        ("http://platform.localhost", False),
        ("http://platform.localhost:3001", False),
        ("http://evil.example", False),
        (f"ftp://{HOST}", False),
        ("null", False),
        ("http://[", False),
        ("", False),
    ],
)
async def test_cookie_needs_an_allowed_origin(
    server, viewer, settings, origin, accepted
):
    settings.CSRF_TRUSTED_ORIGINS = [
        "https://trusted.example",
        "https://*.below.example",
    ]
    cookie = await in_database(a_session, viewer)
    client = server.client(origin=origin, cookie=cookie)
    assert (await client.connect())[0] is accepted


@pytest.mark.parametrize(
    ("origin", "accepted"), [("", True), (ORIGIN, True), ("http://evil.example", False)]
)
async def test_token_needs_no_origin_but_rejects_a_foreign_one(
    server, viewer, origin, accepted
):
    token = await in_database(a_token, viewer)
    client = server.client(origin=origin, authorization=f"Bearer {token}")
    assert (await client.connect())[0] is accepted


@pytest.mark.parametrize("host", ["evil.example", "", "evil.example:3000", "["])
async def test_foreign_host_is_rejected(server, viewer, host):
    cookie = await in_database(a_session, viewer)
    client = server.client(host=host, origin=f"http://{host}", cookie=cookie)
    assert not (await client.connect())[0]


async def test_browser_may_offer_its_token_as_a_subprotocol(server, viewer):
    token = await in_database(a_token, viewer)
    offered = ["llmplatform.live", f"bearer.{token}"]
    client = server.client(subprotocols=offered)
    assert await client.connect() == (True, "llmplatform.live")


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer wrong", "Basic eDp5", "Bearer \x80\xff", ""]
)
async def test_wrong_token_is_rejected(server, header):
    assert not (await server.client(authorization=header).connect())[0]


@pytest.mark.parametrize(
    "text",
    [
        " ", "no", "[]", "1", '"host"', '{"topic": ["host"]}', '{"topics": "host"}',
        '{"topics": ["other"]}', '{"topics": [[]]}', '{"seen": -1}', '{"seen": true}',
        '{"seen": 99999}', '{"seen": "1"}', "[" * 1000,
        '{"topics": [' + '"host",' * MAX_MESSAGE_CHARS + '"host"]}',
    ],
)  # fmt: skip
async def test_invalid_message_closes_the_socket(client, text):
    await client.send_to(text)
    assert await closed(client) == BAD_MESSAGE


async def test_bytes_close_the_socket(client):
    await client.send_to(bytes_data=b"{}")
    assert await closed(client) == BAD_MESSAGE


async def test_slow_client_skips_to_the_newest_message(server, client):
    await client.send_to('{"topics": ["host"], "seen": 0}')
    await asyncio.sleep(0.1)
    for number in range(LiveConsumer.max_unacknowledged + 10):
        publish.publish("host", number)
        await until(lambda n=number: server.newest("host") == n)
        await asyncio.sleep(0.03)
    got = [
        await next_data(client, "host") for _ in range(LiveConsumer.max_unacknowledged)
    ]
    assert got == list(range(got[0], got[0] + LiveConsumer.max_unacknowledged))
    assert await client.receive_nothing(0.1)
    await client.send_to(json.dumps({"seen": LiveConsumer.max_unacknowledged}))
    assert await next_data(client, "host") == LiveConsumer.max_unacknowledged + 9
    assert await client.receive_nothing(0.1)


def log_out(user):
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = Session.objects.get().session_key
    client.post("/admin/logout/")


CHANGES = {
    "logged out": log_out,
    "disabled": lambda user: (setattr(user, "is_active", False), user.save()),
    "deleted": lambda user: user.delete(),
    "group taken": lambda user: user.groups.clear(),
    "password": lambda user: (user.set_password("new"), user.save()),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_ended_session_closes_the_socket_at_once(viewer, change):
    async with serving(ON_CHANGE_ONLY) as server:
        client = server.client(cookie=await in_database(a_session, viewer))
        await client.connect()
        publish.publish("host", "received once the hub has subscribed")
        await next_data(client, "host")
        await in_database(CHANGES[change], viewer)
        assert await closed(client) == SIGNED_OUT


async def test_expired_session_closes_the_socket(client):
    past = timezone.now() - timedelta(seconds=1)
    await in_database(Session.objects.update, expire_date=past)
    assert await closed(client) == SIGNED_OUT


@pytest.mark.parametrize("end", ["delete", "expire"])
async def test_ended_token_closes_only_its_socket(server, viewer, end):
    other = server.client(cookie=await in_database(a_session, viewer))
    row, token = await in_database(create_token, viewer, "one")
    client = server.client(authorization=f"Bearer {token}")
    for each in (other, client):
        assert (await each.connect())[0]
    if end == "delete":
        await in_database(delete_token, row)
    else:
        past = timezone.now() - timedelta(seconds=1)
        await in_database(ApiToken.objects.update, expiry=past)
    assert await closed(client) == SIGNED_OUT
    publish.publish("host", "still here")
    while await next_data(other, "host") != "still here":
        pass


async def test_token_with_another_scope_is_rejected(server, viewer):
    _, token = await in_database(create_token, viewer, "one", scopes=["metrics"])
    client = server.client(authorization=f"Bearer {token}")
    assert not (await client.connect())[0]


async def test_disconnect_leaves_nothing_behind(server, client):
    await until(
        lambda: len(server.admission._connections) == len(server.hub._listeners)
    )
    assert len(server.hub._listeners) == 1
    await client.disconnect()
    await until(lambda: not server.admission._connections and not server.hub._listeners)
