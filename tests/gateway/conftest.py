import socket
from dataclasses import asdict

import pytest
from django.conf import settings
from knox.crypto import hash_token

from common.subscription import Subscription
from gateway.app import Gateway
from gateway.routes.cache import Timing
from gateway.routes.table import Replica
from gateway.usage.tracker import Counts
from tests.gateway.client import TOKEN, a_grant, a_route, a_table
from tests.gateway.engine import Engine


class FakeLoader:
    """Returns a prepared table and counts its calls."""

    def __init__(self):
        self.table = None
        self.error = None
        self.count = 0

    async def __call__(self):
        self.count += 1
        if self.error:
            raise self.error
        return self.table

    def serve(self, *routes, aliases=(), **grant):
        grants = {hash_token(TOKEN): a_grant(**grant)}
        self.table = a_table(*routes, grants=grants, aliases=aliases)


@pytest.fixture
async def engine():
    engine = Engine()
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
async def other_engine():
    engine = Engine(uid="b" * 32)
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
def unreachable():
    """A replica whose port nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        yield Replica(run_uid="c" * 32, base_url=url, api_key="key")


@pytest.fixture
async def loader(engine):
    loader = FakeLoader()
    loader.serve(a_route("smol", engine.replica))
    return loader


@pytest.fixture
async def gateway(loader):
    """Serves "smol", number 7, from the engine. Its tests must not touch the
    database: pytest-django rejects that without its mark."""
    subscription = Subscription(settings.REDIS_URL)
    gateway = Gateway(loader, subscription, Timing(unknown_token_gap_s=0.01))
    yield gateway
    await gateway.close()
    await subscription.close()


@pytest.fixture
def counts(gateway):
    """What the gateway counted for a model that is not zero; not the times."""

    def counted(model_id=7):
        found = asdict(gateway.usage.counts.get(model_id) or Counts())
        times = ("request_seconds_in_flight", "durations", "updated_at")
        return {k: v for k, v in found.items() if v and k not in times}

    return counted
