import pytest
from asgiref.sync import sync_to_async

from gateway.http import MAX_BODY_BYTES
from models_app.models import ServedModel
from tests.gateway.client import ASK, CHAT, CHAT_ASK, GENERATE, STREAMED, a_route, ask
from tests.gateway.engine import KEY, USAGE

EMBED = "/v1/embeddings"


async def test_generate_answers_a_prompt(gateway, engine):
    answer = await ask(gateway, "POST", GENERATE, {**ASK, "max_tokens": 5})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json.pop("latency_ms") > 0
    assert {k: v for k, v in answer.json.items() if k != "latency_ms"} == {
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
    assert (await ask(gateway, "POST", path, ASK)).status == 200


async def test_generate_streams_pieces_then_usage_then_done(gateway):
    answer = await ask(gateway, "POST", GENERATE, {**ASK, "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *pieces, last, done = answer.events
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
    body = {**CHAT_ASK, "model": "7", "top_k": 3, "max_tokens": None}
    answer = await ask(gateway, "POST", CHAT, body)
    assert answer.json["choices"][0]["message"]["content"] == "Hello! 你好"
    assert (answer.json["model"], answer.json["usage"]) == ("smol", USAGE)
    assert engine.body == {**body, "model": "smol", **STREAMED}


async def test_completions_pass_through(gateway, engine):
    body = {"model": "smol", "prompt": ["a", "b"], "stream": False}
    answer = await ask(gateway, "POST", "/v1/completions/", body)
    assert answer.json["choices"][0]["text"] == "Hello! 你好"
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
async def test_chat_stream_has_usage_only_for_who_asked(
    gateway, counts, options, usages
):
    answer = await ask(gateway, "POST", CHAT, {**CHAT_ASK, "stream": True, **options})
    *events, done = answer.events
    assert sum("usage" in event for event in events) == usages
    assert sum(event["choices"] == [] for event in events) == usages
    assert done == "[DONE]"
    assert counts() == {"requests": 1, "prompt_tokens": 31, "completion_tokens": 3}


async def test_completions_of_several_prompts_stream_only_what_clients_read(gateway):
    body = {"model": "smol", "prompt": ["a", "b"], "stream": True}
    answer = await ask(gateway, "POST", "/v1/completions", body)
    assert answer.events[-1] == "[DONE]"
    assert None not in answer.events


async def test_completions_stream_keeps_usage_in_its_last_piece(gateway, counts):
    body = {"model": "smol", "prompt": "a", "stream": True}
    answer = await ask(gateway, "POST", "/v1/completions", body)
    assert answer.events[-2]["usage"] == USAGE
    assert counts()["completion_tokens"] == 3


async def test_engine_gets_key_of_the_run_and_not_the_callers_token(gateway, engine):
    await ask(gateway, "POST", CHAT, CHAT_ASK, headers=[("Cookie", "sessionid=1")])
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
@pytest.mark.parametrize(("path", "body"), [(GENERATE, ASK), (CHAT, CHAT_ASK)])
async def test_sampling_of_the_model_is_default(
    gateway, loading, engine, path, body, given, sent
):
    sampling = {"temperature": 0.3, "top_p": 0.9}
    loading.serve(a_route("smol", engine.target, sampling=sampling))
    await ask(gateway, "POST", path, {**body, **given})
    assert (engine.body["temperature"], engine.body["top_p"]) == sent


async def test_embeddings_pass_through_for_models_that_make_them(
    gateway, loading, engine, counts
):
    loading.serve(a_route("smol", engine.target, embeds=True, sampling={"top_p": 0.9}))
    answer = await ask(gateway, "POST", EMBED, {"model": "smol", "input": "Hi"})
    assert answer.json["data"] == [{"embedding": [0.5]}]
    assert engine.body == {"model": "smol", "input": "Hi"}
    assert counts() == {"requests": 1, "prompt_tokens": 5}


async def test_embeddings_are_refused_by_other_models(gateway, engine):
    answer = await ask(gateway, "POST", EMBED, {"model": "smol", "input": "Hi"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "no_embeddings")
    assert engine.requests == []


async def test_models_are_listed_by_name(gateway, loading, engine):
    loading.serve(
        a_route("smol", engine.target, display_name="Smol"),
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
    listed = await ask(gateway, "GET", "/v1/models")
    assert listed.json == {"object": "list", "data": [big, smol]}
    assert (await ask(gateway, "GET", "/v1/models/smol")).json == smol
    assert (await ask(gateway, "GET", "/v1/models/8/")).json == big


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/models/none/generate", ASK, "not_found"),
        ("/api/models/8/generate", ASK, "not_found"),
        (f"/api/models/{'9' * 400}/generate", ASK, "not_found"),
        (CHAT, {**CHAT_ASK, "model": "none"}, "model_not_found"),
        ("/v1/nothing", {}, "unknown_url"),
        ("/v1", {}, "unknown_url"),
    ],
)
async def test_unknown_model_or_path_is_404(gateway, path, body, code):
    answer = await ask(gateway, "POST", path, body)
    assert answer.status == 404
    assert answer.json.get("code", answer.json.get("error", {}).get("code")) == code


async def test_unknown_model_of_the_list_is_404(gateway):
    answer = await ask(gateway, "GET", "/v1/models/none")
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")


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
async def test_model_that_does_not_serve_says_why(
    gateway, loading, counts, status, retry_after_s, expected, code, allowed
):
    loading.serve(a_route("smol", status=status, retry_after_s=retry_after_s))
    native = await ask(gateway, "POST", GENERATE, ASK)
    openai = await ask(gateway, "POST", CHAT, CHAT_ASK)
    assert (native.status, openai.status) == (expected, expected)
    assert (native.json["code"], native.json["status"]) == (code, status)
    assert native.json.get("allowed") == allowed
    assert openai.json["error"]["code"] == code
    assert openai.json["error"]["message"] == native.json["message"]
    retry = str(retry_after_s) if retry_after_s else None
    assert native.headers.get("retry-after") == retry
    assert openai.headers.get("retry-after") == retry
    assert counts() == {"requests": 2, "refused": 2}


async def test_stopping_model_serves_no_more_though_its_engine_still_runs(
    gateway, loading, engine
):
    route = a_route("smol", engine.target, status="stopping", retry_after_s=None)
    loading.serve(route)
    assert (await ask(gateway, "POST", GENERATE, ASK)).status == 409
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
async def test_other_methods_are_refused(gateway, method, path, allow):
    answer = await ask(gateway, method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert (answer.content == b"") == (method == "HEAD")


async def test_options_tells_methods_to_anybody(gateway):
    answer = await ask(gateway, "OPTIONS", CHAT, token=None)
    assert (answer.status, answer.content) == (204, b"")
    assert answer.headers == {"allow": "POST, OPTIONS"}


async def test_head_is_get_without_content(gateway):
    told = await ask(gateway, "GET", "/v1/models")
    answer = await ask(gateway, "HEAD", "/v1/models")
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers == told.headers


UNREADABLE = {
    "empty": {"body": b""},
    "cut off": {"body": b"{"},
    "list": {"body": b"[]"},
    "not UTF-8": {"body": b"\xff"},
    "NaN": {"body": b'{"a": NaN}'},
    "deep": {"body": b"[" * 100_000},
    "long number": {"body": b'{"a": ' + b"9" * 5000 + b"}"},
}
TOO_LARGE = {
    "at once": {"body": b"[" + b" " * MAX_BODY_BYTES},
    "in pieces": {"chunks": [b" " * 9_000_000] * 2},
    "announced": {"chunks": [], "headers": [("Content-Length", "10485761")]},
}


@pytest.mark.parametrize("path", [GENERATE, CHAT])
@pytest.mark.parametrize("kind", UNREADABLE)
async def test_unreadable_body_is_refused(gateway, engine, path, kind):
    answer = await ask(gateway, "POST", path, **UNREADABLE[kind])
    told = answer.json if path == GENERATE else answer.json["error"]
    assert (answer.status, told["code"]) == (400, "parse_error")
    assert engine.requests == []


@pytest.mark.parametrize("path", [GENERATE, CHAT])
@pytest.mark.parametrize("kind", TOO_LARGE)
async def test_large_body_is_refused(gateway, engine, path, kind):
    answer = await ask(gateway, "POST", path, **TOO_LARGE[kind])
    told = answer.json if path == GENERATE else answer.json["error"]
    assert (answer.status, told["code"]) == (413, "request_too_large")
    assert "10485760" in told["message"]
    assert engine.requests == []


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (GENERATE, b'{"prompt": "a\\ud800"}'),
        (CHAT, b'{"model": "smol", "messages": [{"role": "user"}], "x": "\\ud800"}'),
        (CHAT, b'{"model": "smol", "messages": [{"role": "user"}], "x": 1e999}'),
    ],
)
async def test_what_no_engine_can_read_is_refused(gateway, engine, path, content):
    answer = await ask(gateway, "POST", path, content)
    assert answer.status == 400
    assert engine.requests == []


async def test_body_may_come_in_pieces(gateway):
    chunks = [b'{"prom', b'pt": "a', b'"}', b""]
    assert (await ask(gateway, "POST", GENERATE, chunks=chunks)).status == 200


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "prompt", "prompt_or_messages"),
        ({**ASK, "messages": [{"role": "user", "content": "a"}]}, "prompt", None),
        ({**ASK, "temperature": 3}, "temperature", "out_of_range"),
        ({**ASK, "max_token": 3}, "max_token", "unknown_field"),
    ],
)
async def test_bad_field_of_generate_is_named(gateway, engine, body, field, code):
    answer = await ask(gateway, "POST", GENERATE, body)
    assert (answer.status, answer.json["code"]) == (400, "validation_error")
    (error,) = answer.json["errors"]
    assert error["field"] == field
    assert error["code"] == (code or "prompt_or_messages")
    assert error["message"] == answer.json["message"]
    assert engine.requests == []


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": None}, "model", "missing_key"),
        ({"model": 7}, "model", "wrong_type"),
        ({"messages": []}, "messages", "wrong_type"),
        ({"messages": [{"role": 5}]}, "messages.0.role", "wrong_type"),
        ({"messages": None}, "messages", "missing_key"),
        ({"stream": "yes"}, "stream", "wrong_type"),
        ({"stream_options": 5}, "stream_options", "wrong_type"),
        ({"max_completion_tokens": 0}, "max_completion_tokens", "out_of_range"),
    ],
)
async def test_bad_field_of_chat_is_named(gateway, engine, change, param, code):
    answer = await ask(gateway, "POST", CHAT, {**CHAT_ASK, **change})
    assert answer.status == 400
    error = answer.json["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["code"] == code
    assert engine.requests == []


async def test_errors_are_in_the_callers_language(gateway):
    chinese = [("Accept-Language", "fr-XX, zh-CN;q=0.9, en;q=0.1")]
    answer = await ask(gateway, "GET", "/v1/nothing", headers=chinese)
    english = await ask(gateway, "GET", "/v1/nothing")
    assert english.json["error"]["message"] == "There is nothing at /v1/nothing."
    assert "/v1/nothing" in answer.json["error"]["message"]
    assert answer.json["error"]["message"] != english.json["error"]["message"]


async def test_bug_is_told_without_a_trace(gateway, loading, counts, caplog):
    loading.serve(a_route("smol", None))  # a target that is none
    answer = await ask(gateway, "POST", GENERATE, {"prompt": "PROMPT"})
    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    assert "Traceback" not in answer.content.decode()
    assert counts() == {"requests": 1, "errors": 1}
    assert "PROMPT" not in caplog.text


async def test_answer_counts_tokens_and_time(gateway, counts, engine):
    engine.script.delay_s = 0.03  # before each of 7 events
    await ask(gateway, "POST", GENERATE, ASK)
    assert counts() == {"requests": 1, "prompt_tokens": 31, "completion_tokens": 3}
    found = gateway.accounting.take()[7]
    sums = {name: values["sum"] for name, values in found.durations.items()}
    total, first = sums["response_time"], sums["time_to_first_token"]
    assert 0.2 <= min(total, found.request_seconds_in_flight) < 2
    assert 0.03 <= first <= total - 0.15  # 6 more events, of 3 tokens
    assert 0.2 <= first + 2 * sums["time_per_token"] <= total


async def test_refused_requests_count_and_unknown_models_do_not(gateway, counts):
    await ask(gateway, "POST", GENERATE, {})
    await ask(gateway, "POST", GENERATE, b"{")
    await ask(gateway, "POST", "/api/models/none/generate", ASK)
    assert counts() == {"requests": 2, "refused": 2}
    assert list(gateway.accounting.take()) == [7]


async def test_request_uses_no_database(gateway):
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        await sync_to_async(ServedModel.objects.count)()
    assert (await ask(gateway, "POST", GENERATE, ASK)).status == 200
    assert (await ask(gateway, "POST", CHAT, CHAT_ASK)).status == 200
    assert (await ask(gateway, "GET", "/v1/models")).status == 200
