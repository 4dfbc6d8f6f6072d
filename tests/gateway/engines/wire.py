"""A server that answers on the wire exactly what a test wants."""

import asyncio
from contextlib import asynccontextmanager

from gateway.routes.table import Replica

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


class Wire:
    """answers: what each connection sends after each of its requests, then it closes;
    the last one serves all further connections."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.connections = 0

    async def serve(self, reader, writer):
        self.connections += 1
        answers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            for answer in answers:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(size))
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def wire(*answers):
    server = Wire(*answers)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server.replica = Replica(
        run_uid="w" * 32, base_url=f"http://127.0.0.1:{port}", api_key="key"
    )
    async with listener:
        yield server
