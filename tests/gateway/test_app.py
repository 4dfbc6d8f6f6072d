import pytest
from asgiref.sync import sync_to_async

from models_app.models import ServedModel
from tests.gateway.client import (
    CHAT,
    CHAT_BODY,
    GENERATE,
    PROMPT,
    STREAMED,
    a_route,
    fetch,
)
from tests.gateway.engine import KEY, USAGE

EMBED = "/v1/embeddings"


async def test_generate_answers_a_prompt(gateway, engine):
    response = await fetch(gateway, "POST", GENERATE, {**PROMPT, "max_tokens": 5})
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json.pop("latency_ms") > 0
    assert {k: v for k, v in response.json.items() if k != "latency_ms"} == {
        "id": "chatcmpl-1",
        "model": "smol",
        "text": "Hello! 你好",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 31, "completion_tokens": 3, "total_tokens": 34},
    }
    assert engine.requests[0]["path"] == "/v1/chat/completions"
    assert engine.body == {
        "model": "smol",
        "messages": [{"role": "user", "content": "Hello, how are you?"}],
        "max_tokens": 5,
        **STREAMED,
    }


@pytest.mark.parametrize(
    "path", ["/api/models/7/generate", "/api/models/smol/generate/", GENERATE]
)
async def test_generate_takes_id_and_name_with_and_without_slash(gateway, path):
    assert (await fetch(gateway, "POST", path, PROMPT)).status == 200


async def test_generate_streams_pieces_then_usage_then_done(gateway):
    response = await fetch(gateway, "POST", GENERATE, {**PROMPT, "stream": True})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *pieces, last, done = response.events
    assert [piece["text"] for piece in pieces] == ["Hello", "!", " 你好"]
    assert {tuple(piece) for piece in pieces} == {
        ("id", "model", "text", "finish_reason")
    }
    assert {piece["finish_reason"] for piece in pieces} == {None}
    assert last.pop("latency_ms") > 0
    assert last == {
        "id": "chatcmpl-1",
        "model": "smol",
        "text": "",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 31, "completion_tokens": 3, "total_tokens": 34},
    }
    assert done == "[DONE]"


async def test_chat_passes_body_and_answer_through(gateway, engine):
    body = {**CHAT_BODY, "model": "7", "top_k": 3, "max_tokens": None}
    response = await fetch(gateway, "POST", CHAT, body)
    assert response.json["choices"][0]["message"]["content"] == "Hello! 你好"
    assert (response.json["model"], response.json["usage"]) == ("smol", USAGE)
    del body["max_tokens"]
    assert engine.body == {**body, "model": "smol", **STREAMED}


async def test_completions_pass_through(gateway, engine):
    body = {"model": "smol", "prompt": ["a", "b"], "stream": False}
    response = await fetch(gateway, "POST", "/v1/completions/", body)
    assert response.json["choices"][0]["text"] == "Hello! 你好"
    assert engine.requests[0]["path"] == "/v1/completions"


@pytest.mark.parametrize(
    ("options", "usages"),
    [
        ({}, 0),
        ({"stream_options": None}, 0),
        ({"stream_options": {"include_usage": False}}, 0),
        ({"stream_options": {"include_usage": True}}, 1),
    ],
)
async def test_chat_stream_has_usage_only_on_request(gateway, counts, options, usages):
    response = await fetch(
        gateway, "POST", CHAT, {**CHAT_BODY, "stream": True, **options}
    )
    *events, done = response.events
    assert sum("usage" in event for event in events) == usages
    assert sum(event["choices"] == [] for event in events) == usages
    assert done == "[DONE]"
    assert counts() == {"requests": 1, "prompt_tokens": 31, "completion_tokens": 3}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, CHAT_BODY),
        (GENERATE, PROMPT),
        ("/v1/completions", {"model": "smol", "prompt": "a"}),
        ("/v1/messages", {**CHAT_BODY, "max_tokens": 5}),
    ],
)
async def test_tokens_of_an_engine_whose_streams_have_no_usage_are_counted(
    gateway, engine, counts, path, body, stream
):
    engine.script.counts = False
    answer = await fetch(gateway, "POST", path, {**body, "stream": stream})
    assert answer.status == 200
    assert counts() == {"requests": 1, "completion_tokens": 3}
    assert "time_per_token" in gateway.usage.counts[7].durations


async def test_completions_of_several_prompts_stream_only_what_clients_read(gateway):
    body = {"model": "smol", "prompt": ["a", "b"], "stream": True}
    response = await fetch(gateway, "POST", "/v1/completions", body)
    assert response.events[-1] == "[DONE]"
    assert None not in response.events


@pytest.mark.parametrize("usages", [0, 1])
async def test_completions_stream_has_usage_only_on_request(gateway, counts, usages):
    body = {"model": "smol", "prompt": "a", "stream": True}
    body |= {"stream_options": {"include_usage": bool(usages)}}
    response = await fetch(gateway, "POST", "/v1/completions", body)
    with_usage = [event for event in response.events[:-1] if "usage" in event]
    assert [(e["choices"], e["usage"]) for e in with_usage] == [([], USAGE)] * usages
    assert counts()["completion_tokens"] == 3


async def test_engine_gets_key_of_the_run_and_not_the_callers_token(gateway, engine):
    await fetch(gateway, "POST", CHAT, CHAT_BODY, headers=[("Cookie", "sessionid=1")])
    headers = engine.requests[0]["headers"]
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert "Cookie" not in headers


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, (0.3, 0.9)),
        ({"temperature": 1}, (1, 0.9)),
        ({"temperature": 0, "top_p": 0.5}, (0, 0.5)),
        ({"temperature": None}, (0.3, 0.9)),
    ],
)
@pytest.mark.parametrize(("path", "body"), [(GENERATE, PROMPT), (CHAT, CHAT_BODY)])
async def test_sampling_of_the_model_is_default(
    gateway, loader, engine, path, body, given, sent
):
    sampling = {"temperature": 0.3, "top_p": 0.9}
    loader.serve(a_route("smol", engine.replica, sampling=sampling))
    await fetch(gateway, "POST", path, {**body, **given})
    assert (engine.body["temperature"], engine.body["top_p"]) == sent


async def test_embeddings_pass_through_for_models_that_make_them(
    gateway, loader, engine, counts
):
    loader.serve(a_route("smol", engine.replica, embeds=True, sampling={"top_p": 0.9}))
    response = await fetch(gateway, "POST", EMBED, {"model": "smol", "input": "Hi"})
    assert response.json["data"] == [{"embedding": [0.5]}]
    assert engine.body == {"model": "smol", "input": "Hi"}
    assert counts() == {"requests": 1, "prompt_tokens": 5}


async def test_embeddings_are_rejected_by_other_models(gateway, engine):
    response = await fetch(gateway, "POST", EMBED, {"model": "smol", "input": "Hi"})
    assert (response.status, response.json["error"]["code"]) == (400, "no_embeddings")
    assert engine.requests == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (GENERATE, PROMPT),
        (CHAT, CHAT_BODY),
        ("/v1/completions", {"model": "smol", "prompt": "a"}),
    ],
)
async def test_embedding_model_names_the_endpoint_that_works(
    gateway, loader, engine, path, body
):
    loader.serve(a_route("smol", engine.replica, embeds=True, generates=False))
    response = await fetch(gateway, "POST", path, body)
    error = response.json.get("error", response.json)
    assert (response.status, error["code"]) == (400, "only_embeddings")
    assert "embedding model" in error["message"]
    assert "/v1/embeddings" in error["message"]
    assert engine.requests == []


ALIASES = ("Qwen/Qwen2.5-0.5B-Instruct", "llama3:8b")


@pytest.mark.parametrize("alias", ALIASES)
async def test_model_answers_to_its_aliases(gateway, loader, engine, alias):
    loader.serve(a_route("smol", engine.replica, aliases=ALIASES))
    listed = await fetch(gateway, "GET", "/v1/models")
    assert [each["id"] for each in listed.json["data"]] == sorted([*ALIASES, "smol"])
    assert (await fetch(gateway, "GET", f"/v1/models/{alias}")).json["id"] == alias
    body = {"model": alias, "messages": [{"role": "user", "content": "Hi"}]}
    answer = await fetch(gateway, "POST", "/v1/chat/completions", body)
    assert answer.status == 200
    path = f"/api/models/{alias}/generate"
    answer = await fetch(gateway, "POST", path, {"prompt": "Hi"})
    assert answer.status == 200


async def test_models_are_listed_by_name(gateway, loader, engine):
    loader.serve(
        a_route("smol", engine.replica, display_name="Smol"),
        a_route("big", model_id=8, status="stopped"),
    )
    big = {
        "id": "big",
        "object": "model",
        "created": 9,
        "owned_by": "llmplatform",
        "display_name": "",
        "status": "stopped",
    }
    smol = {**big, "id": "smol", "display_name": "Smol", "status": "running"}
    listed = await fetch(gateway, "GET", "/v1/models")
    assert listed.json == {"object": "list", "data": [big, smol]}
    assert (await fetch(gateway, "GET", "/v1/models/smol")).json == smol
    assert (await fetch(gateway, "GET", "/v1/models/8/")).json == big


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/models/none/generate", PROMPT, "not_found"),
        ("/api/models/8/generate", PROMPT, "not_found"),
        (f"/api/models/{'9' * 400}/generate", PROMPT, "not_found"),
        (CHAT, {**CHAT_BODY, "model": "none"}, "model_not_found"),
        ("/v1/nothing", {}, "unknown_url"),
        ("/v1", {}, "unknown_url"),
    ],
)
async def test_unknown_model_or_path_is_404(gateway, path, body, code):
    response = await fetch(gateway, "POST", path, body)
    assert response.status == 404
    assert response.json.get("code", response.json.get("error", {}).get("code")) == code


async def test_unknown_model_of_the_list_is_404(gateway):
    response = await fetch(gateway, "GET", "/v1/models/none")
    assert (response.status, response.json["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("status", "retry_after_s", "expected", "code", "allowed"),
    [
        ("stopped", None, 409, "model_not_running", ["start", "rename", "delete"]),
        ("stopping", None, 409, "model_not_running", []),
        ("error", None, 409, "model_not_running", ["start", "stop", "restart"]),
        ("error", 40, 503, "model_not_ready", None),
        ("starting", 5, 503, "model_not_ready", None),
        ("waiting", 10, 503, "model_not_ready", None),
        ("running", 1, 503, "model_not_ready", None),
    ],
)
async def test_model_that_is_not_serving_gives_the_reason(
    gateway, loader, counts, status, retry_after_s, expected, code, allowed
):
    loader.serve(a_route("smol", status=status, retry_after_s=retry_after_s))
    native = await fetch(gateway, "POST", GENERATE, PROMPT)
    openai = await fetch(gateway, "POST", CHAT, CHAT_BODY)
    assert (native.status, openai.status) == (expected, expected)
    assert (native.json["code"], native.json["status"]) == (code, status)
    assert native.json.get("allowed") == allowed
    assert openai.json["error"]["code"] == code
    assert openai.json["error"]["message"] == native.json["message"]
    retry = str(retry_after_s) if retry_after_s else None
    assert native.headers.get("retry-after") == retry
    assert openai.headers.get("retry-after") == retry
    assert counts() == {"requests": 2, "refused": 2}


async def test_stopping_model_takes_no_requests_while_its_engine_runs(
    gateway, loader, engine
):
    route = a_route("smol", engine.replica, status="stopping", retry_after_s=None)
    loader.serve(route)
    assert (await fetch(gateway, "POST", GENERATE, PROMPT)).status == 409
    assert engine.requests == []


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", GENERATE, "POST, OPTIONS"),
        ("HEAD", GENERATE, "POST, OPTIONS"),
        ("DELETE", CHAT, "POST, OPTIONS"),
        ("GET", "/v1/completions", "POST, OPTIONS"),
        ("PUT", EMBED, "POST, OPTIONS"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/models/smol", "GET, HEAD, OPTIONS"),
    ],
)
async def test_other_methods_are_rejected(gateway, method, path, allow):
    response = await fetch(gateway, method, path)
    assert (response.status, response.headers["allow"]) == (405, allow)
    assert (response.content == b"") == (method == "HEAD")


async def test_options_lists_methods_without_authentication(gateway):
    response = await fetch(gateway, "OPTIONS", CHAT, token=None)
    assert (response.status, response.content) == (204, b"")
    assert response.headers == {"allow": "POST, OPTIONS"}


async def test_head_is_get_without_content(gateway):
    get = await fetch(gateway, "GET", "/v1/models")
    response = await fetch(gateway, "HEAD", "/v1/models")
    assert (response.status, response.content) == (200, b"")
    assert response.headers == get.headers


async def test_errors_are_in_the_callers_language(gateway):
    chinese = [("Accept-Language", "fr-XX, zh-CN;q=0.9, en;q=0.1")]
    response = await fetch(gateway, "GET", "/v1/nothing", headers=chinese)
    english = await fetch(gateway, "GET", "/v1/nothing")
    assert english.json["error"]["message"] == (
        "/v1/nothing does not exist on this server."
    )
    assert "/v1/nothing" in response.json["error"]["message"]
    assert response.json["error"]["message"] != english.json["error"]["message"]


async def test_internal_error_shows_no_traceback(gateway, loader, counts, caplog):
    loader.serve(a_route("smol", None))  # a replica that is none
    response = await fetch(gateway, "POST", GENERATE, {"prompt": "PROMPT"})
    assert (response.status, response.json["code"]) == (500, "internal_error")
    assert "Traceback" not in response.content.decode()
    assert counts() == {"requests": 1, "errors": 1}
    assert "PROMPT" not in caplog.text


async def test_response_counts_tokens_and_time(gateway, counts, engine):
    engine.script.delay_s = 0.03  # before each of 7 events
    await fetch(gateway, "POST", GENERATE, PROMPT)
    assert counts() == {"requests": 1, "prompt_tokens": 31, "completion_tokens": 3}
    found = gateway.usage.drain()[7]
    sums = {name: values["sum"] for name, values in found.durations.items()}
    total, first = sums["response_time"], sums["time_to_first_token"]
    assert 0.2 <= min(total, found.request_seconds_in_flight) < 2
    assert 0.03 <= first <= total - 0.15  # 6 more events, of 3 tokens
    assert 0.2 <= first + 2 * sums["time_per_token"] <= total


async def test_refused_requests_count_and_unknown_models_do_not(gateway, counts):
    await fetch(gateway, "POST", GENERATE, {})
    await fetch(gateway, "POST", GENERATE, b"{")
    await fetch(gateway, "POST", "/api/models/none/generate", PROMPT)
    assert counts() == {"requests": 2, "refused": 2}
    assert list(gateway.usage.drain()) == [7]


async def test_request_uses_no_database(gateway):
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        await sync_to_async(ServedModel.objects.count)()
    assert (await fetch(gateway, "POST", GENERATE, PROMPT)).status == 200
    assert (await fetch(gateway, "POST", CHAT, CHAT_BODY)).status == 200
    assert (await fetch(gateway, "GET", "/v1/models")).status == 200


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smoll", "Model smoll does not exist. Did you mean smol?"),
        ("gpt-4", "Model gpt-4 does not exist."),
        ("x" * 5000, "does not exist."),
    ],
)
async def test_unknown_model_gets_the_name_that_was_meant(gateway, name, message):
    response = await fetch(gateway, "POST", CHAT, {**CHAT_BODY, "model": name})
    assert (response.status, response.json["error"]["code"]) == (404, "model_not_found")
    assert response.json["error"]["message"].endswith(message)
