"""An engine with the OpenAI API that answers with the last message of a chat."""

import json
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # the end of the connection ends a stream

    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(str(self.server.in_flight).encode())

    def do_POST(self):
        if self.headers["Authorization"] != f"Bearer {self.server.api_key}":
            self.send_error(401)
            return
        self.server.in_flight += 1
        try:
            self.answer()
        finally:
            self.server.in_flight -= 1

    def answer(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = f"{self.server.greeting} {body['messages'][-1]['content']}"
        sys.stderr.write(f"echo: chat at temperature {body.get('temperature')}\n")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        self.send_event({"delta": {"role": "assistant", "content": text}})
        self.send_event({"delta": {}, "finish_reason": "stop"}, usage=usage)
        self.wfile.write(b"data: [DONE]\n\n")

    def send_event(self, choice, **fields):
        event = {
            "id": "echo-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "echo",
            "choices": [{"index": 0, "finish_reason": None, **choice}],
            **fields,
        }
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

    def log_message(self, format, *args):
        """Health checks would fill the log."""


class UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self):
        self.socket.bind(self.server_address)


def listen(address):
    if address.startswith("/"):
        return UnixServer(address, Handler)
    host, port = address.split(":")
    return ThreadingHTTPServer((host, int(port)), Handler)


def main(address, path, delay):
    time.sleep(int(delay))
    try:
        server = listen(address)
    except OSError as error:
        sys.exit(f"echo: cannot listen: {error}")
    server.api_key = sys.stdin.readline().strip()
    server.in_flight = 0
    server.greeting = Path(path).read_text().strip()
    sys.stderr.write(f"echo: serving {path}\n")
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
