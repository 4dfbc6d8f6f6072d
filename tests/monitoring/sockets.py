"""Clients of the websocket, in the event loop of a test."""

import asyncio
import json
from contextlib import asynccontextmanager

import redis
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from common.broker import CHANGES
from common.subscription import Subscription
from monitoring.live import publish
from monitoring.live.admission import Admission, Timing
from monitoring.live.consumers import LiveConsumer
from monitoring.live.subscribe import Hub

HOST = "platform.localhost:3000"
ORIGIN = f"http://{HOST}"
QUICK = Timing(period_s=0.2, gap_s=0.02)
ON_CHANGE_ONLY = Timing(period_s=60, gap_s=0.02)


class Server:
    """The websocket side of a web process."""

    def __init__(self, timing=QUICK):
        self.admission = Admission(timing)
        self.subscription = Subscription(settings.REDIS_URL)
        self.subscription.subscribe(CHANGES, lambda _: self.admission.check_soon())
        self.hub = Hub(self.subscription)
        self.app = LiveConsumer.as_asgi(hub=self.hub, admission=self.admission)
        self.clients = []

    def client(
        self, *, path="/ws/live", origin=ORIGIN, host=HOST, subprotocols=None, **headers
    ):
        sent = {"host": host, "origin": origin, **headers}
        client = WebsocketCommunicator(
            self.app,
            path,
            headers=[(n.encode(), v.encode()) for n, v in sent.items() if v],
            subprotocols=subprotocols,
        )
        self.clients.append(client)
        return client

    def newest(self, topic):
        texts = self.hub.newest([topic], 0)
        return next((json.loads(text.text)["data"] for text in texts), None)

    async def close(self):
        for client in self.clients:
            await client.disconnect()
        await self.subscription.close()
        await self.admission.close()


def clear_last_messages():
    with redis.Redis.from_url(settings.REDIS_URL) as broker:
        broker.delete(*map(publish.last_message_key, publish.TOPICS))


@asynccontextmanager
async def serving(timing=QUICK):
    clear_last_messages()
    server = Server(timing)
    try:
        yield server
    finally:
        await server.close()


def a_session(user) -> str:
    """Value of a cookie header."""
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"


async def in_database(call, *args, **fields):
    return await sync_to_async(call)(*args, **fields)


async def next_data(client, topic, seconds=30.0):
    """Data of the next message of a topic."""
    async with asyncio.timeout(seconds):
        while True:
            text = json.loads(await client.receive_from(timeout=seconds))
            if text["topic"] == topic:
                return text["data"]


async def closed(client, seconds=30.0):
    """The code that the server closes with."""
    async with asyncio.timeout(seconds):
        while True:
            message = await client.receive_output(timeout=seconds)
            if message["type"] == "websocket.close":
                return message.get("code", 1000)
