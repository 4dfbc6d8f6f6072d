"""What the gateway does not have to change reaches the client byte for byte."""

import aiohttp
import pytest

from runtimes.frameworks.vllm.requests import DIALECT as VLLM
from tests.gateway.client import CHAT, CHAT_BODY, a_route, fetch

PROMPT = {"model": "smol", "prompt": "Once"}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {**CHAT_BODY, **STREAM}),
        ("/v1/embeddings", {"model": "smol", "input": "a"}),
        ("/v1/rerank", {"model": "smol", "query": "a", "documents": ["b"]}),
        ("/v2/rerank", {"model": "smol", "query": "a", "documents": ["b"]}),
        ("/v1/score", {"model": "smol", "text_1": "a", "text_2": "b"}),
        ("/v1/messages/count_tokens", CHAT_BODY),
    ],
)
async def test_body_is_that_of_a_direct_call(gateway, loader, engine, path, body):
    loader.serve(a_route("smol", engine.replica, dialect=VLLM, embeds=True))
    through = await fetch(gateway, "POST", path, body)
    sent = engine.requests[-1]
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{engine.replica.base_url}{sent['path']}", data=sent["content"]
        ) as direct,
    ):
        assert (through.status, through.content) == (200, await direct.read())
