import asyncio

import pytest
from asgiref.sync import sync_to_async

from llmplatform.policy.rejections import record_rejections
from models_app.accounts.recording import PER_SOURCE, throttle
from models_app.models import Activity
from tests.llmplatform.policy.asgi import call

TOKEN = ("Authorization", "Bearer wrong")


@pytest.fixture(autouse=True)
def fresh_throttle():
    throttle.until, throttle.skipped = 0, 0


def answers(status):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return record_rejections(app)


async def recorded(count) -> list[tuple]:
    rows = Activity.objects.filter(code="credentials_rejected").order_by("pk")
    for _ in range(300):
        found = await sync_to_async(list)(rows.all())
        if len(found) >= count:
            break
        await asyncio.sleep(0.05)
    return [(row.params["path"], row.address) for row in found]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/chat/completions", "/v1"),
        ("/api/models", "/api"),
        ("/metrics", "/metrics"),
    ],
)
async def test_rejected_token_is_recorded_with_the_address(path, shown):
    await call(answers(401), path, headers=[TOKEN], client=("10.0.0.1", 1))
    assert await recorded(1) == [(shown, "10.0.0.1")]


@pytest.mark.django_db(transaction=True)
async def test_flood_of_rejections_is_recorded_in_part():
    app = answers(401)
    for _ in range(PER_SOURCE + 20):
        await call(app, "/v1/models", headers=[TOKEN], client=("10.0.0.1", 1))
    await call(app, "/v1/models", headers=[TOKEN], client=("10.0.0.2", 1))
    assert len(await recorded(PER_SOURCE + 1)) == PER_SOURCE + 1
    last = await sync_to_async(Activity.objects.latest)("pk")
    assert last.params["skipped"] == 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("status", "headers"), [(401, []), (200, [TOKEN])])
async def test_other_responses_are_not_recorded(status, headers):
    await call(answers(status), "/v1/models", headers=headers, client=("10.0.0.1", 1))
    await call(answers(401), "/api", headers=[TOKEN], client=("10.0.0.2", 1))
    assert await recorded(1) == [("/api", "10.0.0.2")]
