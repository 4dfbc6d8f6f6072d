import pytest

from llmplatform.policy.bodies import limit_bodies


async def app(scope, receive, send):
    """Reads all, then tells how much; silent when the client goes."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def answer(chunks, headers=()):
    sent = []
    parts = [
        {"type": "http.request", "body": chunk, "more_body": n < len(chunks) - 1}
        for n, chunk in enumerate(chunks)
    ]

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    await limit_bodies(app, 10)({"headers": headers}, receive, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(
    ("chunks", "headers", "status"),
    [
        ([b"x" * 10], [(b"content-length", b"10")], 200),
        ([b"x" * 10], [], 200),
        ([b"x" * 5, b"x" * 5], [], 200),
        ([b"x" * 11], [(b"content-length", b"11")], 413),
        ([b"x" * 5, b"x" * 6], [], 413),
        ([b""], [(b"content-length", b"-1")], 413),
        ([b""], [(b"content-length", b"many")], 413),
    ],
)
async def test_bodies_are_limited(chunks, headers, status):
    assert (await answer(chunks, headers))[0] == status


async def test_refusal_says_what_is_allowed():
    _, body = await answer([b"x" * 11], [(b"content-length", b"11")])
    assert b'"code": "request_too_large"' in body
    assert b"10" in body
