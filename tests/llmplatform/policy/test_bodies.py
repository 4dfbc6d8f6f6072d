import pytest

from llmplatform.policy.bodies import limit_bodies
from tests.llmplatform.policy.asgi import call


async def app(scope, receive, send):
    """Reads all, then returns the size; silent when the client leaves."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.MAX_BODY_BYTES = 10
    settings.UNKNOWN_CLIENT_BODY_BYTES = 5


GATEWAY = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("chunks", "headers", "path", "status"),
    [
        ([b"x" * 5], [("content-length", "5")], "/api", 200),
        ([b"x" * 6], [("content-length", "6")], "/api", 401),
        ([b"x" * 11], [("content-length", "11")], "/api", 413),
        ([b"x"], [("transfer-encoding", "chunked")], "/api", 401),
        ([b"x" * 10], [("content-length", "10")], GATEWAY, 200),
        ([b"x" * 5, b"x" * 5], [("transfer-encoding", "chunked")], GATEWAY, 200),
        ([b"x" * 11], [("content-length", "11")], GATEWAY, 413),
        ([b"x" * 5, b"x" * 6], [("transfer-encoding", "chunked")], GATEWAY, 413),
        ([b"x"], [("content-encoding", "gzip")], GATEWAY, 415),
        ([b"x"], [("transfer-encoding", "gzip, chunked")], GATEWAY, 501),
        ([b"x"], [("transfer-encoding", "gzip, chunked")], "/api", 501),
        ([b"x"], [("transfer-encoding", " Chunked")], GATEWAY, 200),
        ([b"x"], [("content-encoding", "Identity")], GATEWAY, 200),
    ],
)
async def test_bodies_are_limited(chunks, headers, path, status):
    response = await call(limit_bodies(app), path, headers=headers, chunks=chunks)
    assert response.status == status


async def test_refusal_names_the_limit():
    headers = [("content-length", "11")]
    response = await call(limit_bodies(app), headers=headers)
    assert b'"code": "request_too_large"' in response.body
    assert b"10" in response.body
