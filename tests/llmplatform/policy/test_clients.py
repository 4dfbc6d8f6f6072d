import pytest

from llmplatform.policy.clients import show_ipv4
from tests.llmplatform.policy.asgi import call


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("2001:db8::ffff:1", "2001:db8::ffff:1"),
    ],
)
async def test_address_of_a_client(given, shown):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["client"])

    await call(show_ipv4(app), client=(given, 5))
    assert seen == [(shown, 5)]
