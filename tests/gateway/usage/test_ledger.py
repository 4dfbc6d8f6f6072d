import pytest
from django.db import OperationalError, connection

from gateway.routes.table import Prices
from gateway.usage.ledger import LedgerWriter, UsageByToken
from gateway.usage.tracker import RequestStats, Usage
from monitoring.usage.ledger import Entry, Key
from monitoring.usage.models import UsageRecord
from tests.gateway.client import a_grant, a_route
from tests.monitoring.history.rows import Clock

HOUR = 3600
ROUTE = a_route()
GRANT = a_grant(token_id="five", token_name="ci")
USAGE = Usage(
    prompt_tokens=10, cached_tokens=4, completion_tokens=7, reasoning_tokens=3
)


@pytest.fixture
def clock():
    return Clock(500 * HOUR + 1)


@pytest.fixture
def usage(clock):
    return UsageByToken(clock)


def test_requests_add_up_by_hour_token_user_and_model(usage, clock):
    usage.add(ROUTE, GRANT, RequestStats(usage=USAGE))
    usage.add(ROUTE, GRANT, RequestStats(usage=USAGE, cancelled=True))
    usage.add(ROUTE, a_grant(token_id="six"), RequestStats(status=502))
    clock.now += HOUR
    usage.add(a_route("other", model_id=8), GRANT, RequestStats(status=404))
    names = {"token_name": "ci", "user_name": "ann", "model_name": "smol"}
    assert usage.drain() == {
        Key(500 * HOUR, "five", 1, 7): Entry(
            **names, requests=2, cancelled=1, prompt_tokens=20, cached_tokens=8,
            completion_tokens=14, reasoning_tokens=6,
        ),
        Key(500 * HOUR, "six", 1, 7): Entry(
            **{**names, "token_name": ""}, requests=1, errors=1
        ),
        Key(501 * HOUR, "five", 1, 8): Entry(
            **{**names, "model_name": "other"}, requests=1, refused=1
        ),
    }  # fmt: skip
    assert usage.drain() == {}


@pytest.mark.parametrize(
    ("prices", "cost"),
    [
        ((0, 0, 0), 0),
        ((100, 100, 0), 1000),
        ((100, 10, 0), 640),
        ((100, 10, 1000), 7640),
    ],
)
def test_cost_is_by_the_prices_of_its_time(usage, prices, cost):
    usage.add(a_route(prices=Prices(*prices)), GRANT, RequestStats(usage=USAGE))
    usage.add(a_route(prices=Prices()), GRANT, RequestStats(usage=USAGE))
    (entry,) = usage.drain().values()
    assert (entry.requests, entry.cost) == (2, cost)


def broken_database(execute, sql, params, many, context):
    raise OperationalError("away")


@pytest.mark.django_db
def test_what_could_not_be_written_is_written_later(usage, caplog):
    writer = LedgerWriter()
    with connection.execute_wrapper(broken_database):
        for _ in range(3):
            usage.add(ROUTE, GRANT, RequestStats(usage=USAGE))
            writer.add(usage.drain())
            assert not writer.write()
    assert writer.write()
    assert writer.write()
    row = UsageRecord.objects.get()
    assert (row.requests, row.prompt_tokens) == (3, 30)
    assert len(caplog.records) == 1
