"""The official clients, unchanged, against the gateway in front of a real engine."""

import asyncio
import json
import shutil
import subprocess

import anthropic
import openai
import pytest

from tests.engines.conftest import NODE
from tests.engines.test_gateway import in_front_of
from tests.gateway.client import TOKEN, serving

pytestmark = pytest.mark.engine

MESSAGES = [{"role": "user", "content": "What is 2 + 2?"}]
FIXED = {"model": "smol", "messages": MESSAGES, "max_tokens": 8}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}},
    "required": ["city"],
    "additionalProperties": False,
}
SHORT = 60  # tokens; enough for an object of SCHEMA
GREEDY = {"extra_body": {"temperature": 0}}


@pytest.fixture
async def base_url(engine):
    async with in_front_of(engine) as gateway, serving(gateway) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture
async def openai_client(base_url):
    async with openai.AsyncOpenAI(
        base_url=f"{base_url}/v1", api_key=TOKEN, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def anthropic_client(base_url):
    async with anthropic.AsyncAnthropic(
        base_url=base_url, api_key=TOKEN, max_retries=0
    ) as client:
        yield client


async def test_openai_chat_and_stream_are_the_same(openai_client):
    create = openai_client.chat.completions.create
    whole = await create(**FIXED, temperature=0, seed=1)
    stream = await create(
        **FIXED,
        temperature=0,
        seed=1,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == 8


async def test_openai_sends_tools_and_their_results(openai_client):
    """The model is too small to call them."""
    function = {"name": "weather", "parameters": SCHEMA}
    call = {"id": "1", "type": "function"}
    call["function"] = {"name": "weather", "arguments": '{"city": "Rome"}'}
    messages = [
        *MESSAGES,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
    ]
    answer = await openai_client.chat.completions.create(
        **{**FIXED, "messages": messages},
        tools=[{"type": "function", "function": function}],
        tool_choice="auto",
    )
    assert answer.choices[0].message.content


async def test_openai_answers_by_a_schema(openai_client):
    form = {"name": "place", "schema": SCHEMA, "strict": True}
    answer = await openai_client.chat.completions.create(
        **{**FIXED, "max_tokens": SHORT},
        response_format={"type": "json_schema", "json_schema": form},
    )
    assert set(json.loads(answer.choices[0].message.content)) == {"city"}


async def test_openai_response_and_stream_are_the_same(openai_client):
    body = {"model": "smol", "input": "What is 2 + 2?", "max_output_tokens": 8}
    whole = await openai_client.responses.create(**body, temperature=0)
    async with openai_client.responses.stream(**body, temperature=0) as stream:
        events = [event async for event in stream]
    kinds = [event.type for event in events]
    final = events[-1].response
    assert whole.output_text == final.output_text != ""
    assert whole.status == final.status == "incomplete"
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert whole.usage.output_tokens == final.usage.output_tokens == 8
    assert (kinds[0], kinds[-1]) == ("response.created", "response.incomplete")


async def test_openai_response_to_the_result_of_a_tool(openai_client):
    function = {"type": "function", "name": "weather", "parameters": SCHEMA}
    call = {"call_id": "1", "name": "weather", "arguments": '{"city": "Rome"}'}
    response = await openai_client.responses.create(
        model="smol",
        instructions="You know the weather.",
        input=[
            {"role": "user", "content": "How is the weather?"},
            {"type": "function_call", **call},
            {"type": "function_call_output", "call_id": "1", "output": "sunny"},
        ],
        tools=[{**function, "strict": True}],
        max_output_tokens=8,
    )
    assert response.output_text


async def test_openai_response_by_a_schema(openai_client):
    form = {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}
    response = await openai_client.responses.create(
        model="smol",
        input="Where is the Colosseum?",
        text={"format": form},
        max_output_tokens=SHORT,
    )
    assert set(json.loads(response.output_text)) == {"city"}


async def test_openai_transcription_by_a_model_without_audio(openai_client):
    with pytest.raises(openai.BadRequestError) as caught:
        await openai_client.audio.transcriptions.create(
            model="smol", file=("a.wav", b"RIFF"), language="en"
        )
    assert caught.value.code == "engine_refused"
    assert "audio" in caught.value.message


async def test_openai_lists_models(openai_client):
    assert [model.id async for model in openai_client.models.list()] == ["smol"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"model": "gone"}, openai.NotFoundError),
        ({"max_tokens": -5}, openai.BadRequestError),
    ],
)
async def test_openai_errors(openai_client, change, error):
    with pytest.raises(error) as caught:
        await openai_client.chat.completions.create(**{**FIXED, **change})
    assert caught.value.body["message"]


async def test_openai_token_is_checked(base_url):
    client = openai.AsyncOpenAI(base_url=f"{base_url}/v1", api_key="x", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        await client.chat.completions.create(**FIXED)
    await client.close()


async def test_anthropic_message_and_stream_are_the_same(anthropic_client):
    whole = await anthropic_client.messages.create(**FIXED, **GREEDY)
    async with anthropic_client.messages.stream(**FIXED, **GREEDY) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert text == whole.content[0].text == final.content[0].text
    assert whole.stop_reason == final.stop_reason == "max_tokens"
    assert whole.usage.output_tokens == final.usage.output_tokens == 8
    for usage in (whole.usage, final.usage):
        assert usage.input_tokens + usage.cache_read_input_tokens > 8


async def test_anthropic_sends_tools_and_their_results(anthropic_client):
    call = {"type": "tool_use", "id": "1", "name": "weather", "input": {"city": "Rome"}}
    result = {"type": "tool_result", "tool_use_id": "1", "content": "sunny"}
    history = [
        *MESSAGES,
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    answer = await anthropic_client.messages.create(
        **{**FIXED, "messages": history},
        system="You know the weather.",
        tools=[{"name": "weather", "input_schema": SCHEMA}],
        tool_choice={"type": "auto"},
    )
    assert answer.content[0].text


async def test_anthropic_counts_tokens(anthropic_client):
    count = await anthropic_client.messages.count_tokens(
        model="smol", messages=MESSAGES
    )
    message = await anthropic_client.messages.create(**FIXED)
    usage = message.usage
    assert count.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"model": "gone"}, anthropic.NotFoundError),
        ({"max_tokens": -5}, anthropic.BadRequestError),
    ],
)
async def test_anthropic_errors(anthropic_client, change, error):
    with pytest.raises(error) as caught:
        await anthropic_client.messages.create(**{**FIXED, **change})
    assert caught.value.body["error"]["message"]


async def test_openai_node_package(base_url, node_folder):
    program = shutil.copy(NODE / "client.mjs", node_folder)
    argv = ("node", program, f"{base_url}/v1", TOKEN)
    process = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    found = json.loads(output)
    assert found["text"] == found["whole"] != ""
    assert found["usage"] == [8, 8]
    assert found["responseText"] == found["response"] != ""
    assert found["refused"] == {"status": 404, "code": "model_not_found"}
    assert found["unknown"] == "AuthenticationError"
    assert found["models"] == ["smol"]
