"""A stand-in for an engine, an external program: a real HTTP server that speaks
llama.cpp's dialect, byte for byte as start_reporter on the wire."""

import asyncio
import json
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.web_runner import AppRunner, TCPSite

from gateway.routes.table import Replica

KEY = "key-of-the-run"
USAGE = {"completion_tokens": 3, "prompt_tokens": 31, "total_tokens": 34}


@dataclass
class Script:
    """What the engine does with the next requests."""

    pieces: tuple = ("Hello", "!", " 你好")
    delay_s: float = 0.0  # before each piece
    rejects: tuple | None = None  # status, body
    fails: str = ""  # "at once", "after headers", "mid-stream"
    final_event: bytes = b""  # instead of the last piece
    silent: bool = False
    counts: bool = True  # its streams have their usage


@dataclass
class Engine:
    uid: str = "a" * 32
    script: Script = field(default_factory=Script)
    requests: list = field(default_factory=list)
    cancelled: int = 0
    sent: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    async def start(self):
        app = web.Application(client_max_size=32 * 2**20)
        app.router.add_post("/{kind:.+}", self.response)
        self.runner = AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0
        )
        await self.runner.setup()
        site = TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def stop(self):
        await self.runner.cleanup()

    @property
    def replica(self):
        url = f"http://127.0.0.1:{self.port}"
        return Replica(run_uid=self.uid, base_url=url, api_key=KEY)

    @property
    def body(self):
        return self.requests[-1]["body"]

    async def response(self, request):
        content = await request.read()
        self.requests.append(
            {
                "path": request.path,
                "headers": request.headers,
                "content": content,
                "body": as_json(content),
                "peer": request.transport.get_extra_info("peername"),
            }
        )
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(request, as_json(content))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_flight -= 1

    async def _answer(self, request, body):
        script = self.script
        if script.fails == "at once":
            return self._die(request)
        if script.rejects:
            status, content = script.rejects
            text = content if isinstance(content, str) else json.dumps(content)
            return web.Response(
                status=status, text=text, content_type="application/json"
            )
        if script.silent:
            await asyncio.sleep(60)
        if body.get("stream"):
            return await self._stream(request, body)
        await asyncio.sleep(script.delay_s * len(script.pieces))
        return web.json_response(complete(request.path, body, script.pieces))

    async def _stream(self, request, body):
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        await response.prepare(request)
        if self.script.fails == "after headers":
            return self._die(request)
        for event in stream(request.path, body, self.script):
            await asyncio.sleep(self.script.delay_s)
            if event is None:
                return self._die(request)
            await response.write(event)
            self.sent += len(event)
        return response

    def _die(self, request):
        request.transport.abort()
        return web.Response()


def as_json(content):
    """Empty for a form."""
    return {} if content.startswith(b"--") else json.loads(content)


def complete(path, body, pieces):
    text = "".join(pieces)
    if path.endswith("embeddings"):
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        return {"object": "list", "data": [{"embedding": [0.5]}], "usage": usage}
    if path.endswith("rerank") or path.endswith("score"):
        usage = {"prompt_tokens": 9, "total_tokens": 9}
        return {"results": [{"index": 0, "relevance_score": 0.5}], "usage": usage}
    if path.endswith("transcriptions"):
        return {"text": "Hello", "usage": {"input_tokens": 9, "output_tokens": 3}}
    if path.endswith("tokenize"):
        return {"tokens": [28120, 905]}
    if path.endswith("count_tokens"):
        return {"input_tokens": 31}
    common = {"created": 1, "model": body["model"], "id": "chatcmpl-1"}
    if path.endswith("chat/completions"):
        response = {"message": {"role": "assistant", "content": text}}
    else:
        response = {"text": text, "logprobs": None}
    choice = {"finish_reason": "stop", "index": 0, **response}
    return {"choices": [choice], **common, "usage": USAGE}


def stream(path, body, script):
    """Events; None where the engine dies."""
    chat = path.endswith("chat/completions")
    common = {"created": 1, "id": "chatcmpl-1", "model": body["model"]}

    def event(choices, **more):
        content = {"choices": choices, **common, **more}
        return b"data: " + json.dumps(content).encode() + b"\n\n"

    def choice(finish_reason, text):
        response = {"delta": {"content": text} if text else {}}
        response = response if chat else {"text": text, "logprobs": None}
        return {"finish_reason": finish_reason, "index": 0, **response}

    if chat:
        first = {"role": "assistant", "content": None}
        yield event([{"finish_reason": None, "index": 0, "delta": first}])
    for piece in script.pieces[:-1]:
        yield event([choice(None, piece)])
    if script.fails == "mid-stream":
        yield None
    if script.final_event:
        yield script.final_event
        return
    yield event([choice(None, script.pieces[-1])])
    if isinstance(body.get("prompt"), list):
        yield b"data: null\n\n"
    include_usage = (body.get("stream_options") or {}).get("include_usage")
    if not script.counts:
        yield event([choice("stop", "")])
    elif chat:
        yield event([choice("stop", "")], **({} if include_usage else {"timings": {}}))
        if include_usage:
            yield event([], usage=USAGE, timings={})
    else:
        yield event([choice("stop", "")], usage=USAGE)
    yield b"data: [DONE]\n\n"
