"""The least that relays: an ASGI application that sends each request on with aiohttp
and passes the answer back, chunk by chunk. It checks and counts nothing.

    UPSTREAM=http://127.0.0.1:PORT uvicorn relay:application
"""

from __future__ import annotations

import os

import aiohttp

UPSTREAM = os.environ["UPSTREAM"]
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer key"}
session: aiohttp.ClientSession | None = None


async def application(scope, receive, send) -> None:
    global session
    if scope["type"] != "http":
        return
    if session is None:
        connector = aiohttp.TCPConnector(limit=0)
        session = aiohttp.ClientSession(UPSTREAM, connector=connector)
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    async with session.post(scope["path"], data=body, headers=HEADERS) as response:
        headers = [
            (name.lower(), value)
            for name, value in response.raw_headers
            if name.lower() in (b"content-type", b"content-length")
        ]
        start = {"type": "http.response.start", "status": response.status}
        await send({**start, "headers": headers})
        async for part in response.content.iter_any():
            message = {"type": "http.response.body", "body": part, "more_body": True}
            await send(message)
        await send({"type": "http.response.body", "body": b""})
