import http.client
import json
import os
import signal
import time
from contextlib import suppress

import pytest
import xllamacpp

from runtimes.engines.xllamacpp_server import CannotStartError, apply, params_of
from runtimes.frameworks.base import Exit, Placement
from runtimes.frameworks.fields import Choice, Number
from runtimes.frameworks.llamacpp import options as options
from tests.engines.client import KEY, LLAMA, Engine, a_free_port
from tests.runtimes.processes import ended, until

pytestmark = pytest.mark.engine


def test_engine_is_loading_and_then_ready(driver, model):
    engine = Engine(driver, {"model_path": str(model), "n_ctx": 512})
    assert engine.wait_until_ready() == [None, 503, 200]
    assert driver.listens(engine.handle, engine.port)
    began = time.monotonic()
    driver.terminate(engine.handle)
    assert ended(driver, engine.handle) == Exit(code=0, signal=None)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/props", "/slots"])
@pytest.mark.parametrize("key", ["", "wrong"])
def test_key_is_required(engine, path, key):
    assert engine.request("GET", path, key=key)[0] == 401


def test_key_is_required_to_generate(engine):
    status, body = engine.request("POST", "/v1/chat/completions", {}, key="wrong")
    assert (status, "choices" in body) == (401, False)


def test_engine_writes_text(engine):
    status, body = engine.chat("What is 2 + 2?", max_tokens=8, temperature=0, seed=1)
    answer = json.loads(body)
    assert status == 200
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["usage"]["completion_tokens"] <= 8
    assert answer["model"] == "smol"


def test_engine_has_the_context_for_each_request(engine):
    props = json.loads(engine.request("GET", "/props")[1])
    assert props["total_slots"] == 2
    assert props["default_generation_settings"]["n_ctx"] == 512


def test_slots_and_pages_are_off(engine):
    assert engine.request("GET", "/slots")[0] == 501
    assert engine.request("GET", "/")[0] == 404


def test_idle_engine_has_nothing_in_flight(engine):
    assert engine.in_flight() == 0


def test_queue_is_counted_cancelled_and_does_not_hide_health(engine):
    # Streamed: llama.cpp finishes other requests even when their client has gone.
    request = {"prompt": "Once", "max_tokens": 400, "ignore_eos": True, "stream": True}
    body = json.dumps(request)
    headers = {"Authorization": f"Bearer {KEY}"}
    clients = [engine.connection() for _ in range(24)]
    for client in clients:
        client.request("POST", "/v1/completions", body, headers)
    until(lambda: engine.in_flight() == 24, seconds=10)
    assert engine.health() == 200
    for client in clients:
        client.close()
    until(lambda: engine.in_flight() == 0, seconds=10)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (
            "chat/completions",
            {"messages": [{"role": "user", "content": "PROMPT"}]},
            200,
        ),
        ("completions", {"prompt": "PROMPT of great length " * 400}, 400),
        ("completions", {"prompt": "PROMPT", "seed": "PROMPT"}, 400),
        ("completions", {"prompt": {"PROMPT": 1}}, 400),
        ("chat/completions", {"messages": [], "tools": [{"PROMPT": 1}]}, 500),
    ],
)
def test_log_holds_neither_prompts_nor_keys(engine, path, body, status):
    answered, _ = engine.request("POST", f"/v1/{path}", {"max_tokens": 2, **body})
    assert answered == status
    assert "ready on" in engine.log()
    assert "PROMPT" not in engine.log()
    assert KEY not in engine.log()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"GGUF" + os.urandom(4096), "bad_config"),
        (b"GGUF\x03\0\0\0" + bytes(64), "bad_config"),
        (None, "model_file_missing"),
    ],
    ids=["garbage", "empty", "missing"],
)
def test_bad_model_file_ends_with_its_reason(driver, tmp_path, content, reason):
    path = tmp_path / "bad.gguf"
    if content is not None:
        path.write_bytes(content)
    engine = Engine(driver, {"model_path": str(path)})
    assert engine.end_reason() == reason
    assert "xllamacpp_server: cannot start" in engine.log()
    assert "Traceback" not in engine.log()


def test_half_a_model_ends_with_its_reason(driver, model, tmp_path):
    with model.open("rb") as whole:
        (tmp_path / "half.gguf").write_bytes(whole.read(3_000_000))
    engine = Engine(driver, {"model_path": str(tmp_path / "half.gguf")})
    assert engine.end_reason() == "model_file_damaged"


def test_bad_chat_template_ends_with_its_reason(driver, model):
    config = {"model_path": str(model), "n_ctx": 256, "chat_template": "{% for x %}"}
    assert Engine(driver, config).end_reason() == "bad_config"


def test_too_little_memory_ends_with_its_reason(driver, model):
    limit = ("/bin/sh", "-c", 'ulimit -v 3000000; exec "$@"', "sh")
    engine = Engine(driver, {"model_path": str(model), "n_ctx": 1_000_000}, wrap=limit)
    assert engine.end_reason() == "out_of_memory"


def test_loading_engine_can_be_stopped(driver, tmp_path):
    os.mkfifo(tmp_path / "slow.gguf")
    engine = Engine(driver, {"model_path": str(tmp_path / "slow.gguf")})
    # Lets the first look at the file pass; after it llama.cpp waits for a writer.
    (tmp_path / "slow.gguf").open("wb").close()
    until(lambda: engine.health() == 503)
    driver.terminate(engine.handle)
    assert ended(driver, engine.handle) == Exit(code=None, signal=signal.SIGTERM)


def test_engine_killed_from_outside_ends_with_its_reason(driver, model):
    engine = Engine(driver, {"model_path": str(model), "n_ctx": 512})
    os.kill(engine.handle.engine_pid, signal.SIGKILL)
    assert engine.end_reason() == "killed"


def sample(field):
    if isinstance(field, Choice):
        return next(iter(field.numbers))
    return False if not hasattr(field, "max") else field.max


def test_every_extra_arg_is_an_attribute_of_the_engine():
    extra = {name: sample(field) for name, field in options.EXTRA_ARGS.items()}
    placement = Placement(port=1, api_key=KEY, model_name="smol", cpu_cores=1)
    config = {"model_path": "/m.gguf", "extra_args": extra, "n_batch": 7}
    spec = json.loads(LLAMA.command(config, placement).stdin)
    params = params_of(spec)
    for name, field in options.EXTRA_ARGS.items():
        expected = spec["settings"][name]
        if isinstance(field, Number):
            expected = pytest.approx(expected)
        assert getattr(params, name) == expected, name
    assert (params.n_batch, params.port, params.api_keys) == (7, 1, [KEY])


@pytest.mark.parametrize(
    ("numbers", "enum", "prefix"),
    [
        (options.CACHE_TYPES, "ggml_type", "GGML_TYPE_"),
        (options.POOLING_TYPES, "llama_pooling_type", "LLAMA_POOLING_TYPE_"),
        (
            options.ROPE_SCALING_TYPES,
            "llama_rope_scaling_type",
            "LLAMA_ROPE_SCALING_TYPE_",
        ),
        (
            options.REASONING_FORMATS,
            "common_reasoning_format",
            "COMMON_REASONING_FORMAT_",
        ),
    ],
)
def test_option_names_match_the_numbers_of_the_engine(numbers, enum, prefix):
    members = getattr(xllamacpp, enum).__members__
    assert numbers == {word: int(members[prefix + word.upper()]) for word in numbers}


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_ctxx", 1), ("n_ctx", "many"), ("cpuparams.nothing", 1), ("nothing.at", 1)],
)
def test_setting_that_the_engine_does_not_know_is_named(name, value):
    with pytest.raises(CannotStartError, match=f"bad setting {name}: "):
        apply(xllamacpp.CommonParams(), name, value)


def test_settings_cannot_undo_what_keeps_the_engine_private():
    spec = {
        "host": "127.0.0.1",
        "port": a_free_port(),
        "api_key": KEY,
        "model_name": "smol",
        "settings": {
            "hostnames": ["0.0.0.0"],  # noqa: S104
            "api_keys": [],
            "endpoint_slots": True,
            "ui": True,
            "verbosity": 9,
        },
    }
    params = params_of(spec)
    assert params.hostnames == ["127.0.0.1"]
    assert params.api_keys == [KEY]
    assert (params.endpoint_slots, params.ui, params.verbosity) == (False, False, 1)


def test_template_that_fills_the_memory_ends_the_engine_alone(driver, model):
    doublings = "{% set text = text + text %}" * 27
    template = '{% set text = "0123456789" %}' + doublings + "{{ text }}"
    config = {"model_path": str(model), "n_ctx": 512, "chat_template": template}
    engine = Engine(driver, config, memory_mib=600)
    with suppress(OSError, http.client.HTTPException, AssertionError):
        # It may be rendered while the model is loaded, or not before the first chat.
        engine.wait_until_ready()
        engine.chat("Hello")
    until(lambda: not driver.observe(engine.handle).alive)
    assert driver.observe(engine.handle).reason == "memory_exceeded"
