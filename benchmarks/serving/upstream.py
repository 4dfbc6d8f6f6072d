"""An engine that costs almost nothing: `python upstream.py PORT [DELAY_MS [PIECES]]`.

Answers each chat completion with the same few bytes, whole or in events as requested,
after DELAY_MS. PIECES: events of a stream, sent one by one, 10 ms apart; without it, a
stream is sent at once.
"""

from __future__ import annotations

import asyncio
import json
import sys

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: "
PAUSE_S = 0.01
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "bench",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello! How can I help you?"},
        }
    ],
    "usage": {"prompt_tokens": 31, "completion_tokens": 8, "total_tokens": 39},
}
TEXTS = ["Hello!", " How", " can", " I", " help", " you", "?"]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(data: object) -> bytes:
    return chunk(b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n")


def piece(text: str, finish: str | None = None) -> bytes:
    return event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "bench",
            "choices": [
                {"index": 0, "finish_reason": finish, "delta": {"content": text}}
            ],
        }
    )


BODY = json.dumps(ANSWER).encode()
WHOLE = HEAD + b"application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
START = HEAD + b"text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = piece("", "stop") + event({"choices": [], "usage": ANSWER["usage"]})
END += chunk(b"data: [DONE]\n\n") + chunk(b"")
STREAM = START + b"".join(map(piece, TEXTS)) + END
ONE_PIECE = piece(" word")


class Upstream(asyncio.Protocol):
    """One request at a time on each connection."""

    def __init__(self, delay_s: float, pieces: int) -> None:
        self.delay_s, self.pieces = delay_s, pieces
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end or len(body) < content_length(head):
            return
        self.received = b""
        answer = self.answer(b'"stream":true' in body.replace(b": ", b":"))
        asyncio.get_running_loop().call_later(self.delay_s, answer)

    def answer(self, streams: bool):
        if not streams:
            return lambda: self.transport.write(WHOLE)
        if not self.pieces:
            return lambda: self.transport.write(STREAM)
        return self.start_pieces

    def start_pieces(self) -> None:
        self.transport.write(START)
        self.send_piece(self.pieces)

    def send_piece(self, left: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(ONE_PIECE if left else END)
        if left:
            loop = asyncio.get_running_loop()
            loop.call_later(PAUSE_S, self.send_piece, left - 1)


def content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)


async def serve(port: int, delay_s: float, pieces: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Upstream(delay_s, pieces), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    port, delay_ms, pieces, *_ = [*map(int, sys.argv[1:]), 0, 0]
    uvloop.run(serve(port, delay_ms / 1000, pieces))
