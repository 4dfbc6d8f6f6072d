import pytest
from asgiref.sync import async_to_sync

from models_app.enums import RunState
from tests.api import client_of, codes, operator
from tests.builders import a_model, a_run, a_user, a_wanted_model
from tests.monitoring.logs.log_writer import LogWriter

pytestmark = pytest.mark.django_db
LOGS = "/api/models/smol/logs"


async def body_of(answer):
    return b"".join([chunk async for chunk in answer.streaming_content])


def test_newest_run_with_its_state():
    writer = LogWriter()
    writer.write_lines("first", "second", "third")
    assert operator().get(f"{LOGS}?tail=2").json() == {
        "run": writer.uid,
        "state": "ready",
        "reason": None,
        "text": "second\nthird",
        "truncated": True,
    }


def test_ended_run_has_its_reason():
    writer = LogWriter()
    older = writer.run
    writer.write_lines("cannot go on")
    writer.end("out_of_memory")
    a_run(older.model)
    data = operator().get(f"{LOGS}?run={older.uid}").json()
    assert (data["run"], data["state"]) == (older.uid, "ended")
    assert (data["text"], data["truncated"]) == ("cannot go on", False)
    assert data["reason"]["code"] == "out_of_memory"


def test_model_without_runs_has_an_empty_log():
    a_model()
    assert operator().get(LOGS).json() == {
        "run": None,
        "state": None,
        "reason": None,
        "text": "",
        "truncated": False,
    }


def test_stored_tail_is_returned_when_the_files_are_gone():
    a_run(a_wanted_model(), RunState.ENDED, log_tail="last line\n")
    assert operator().get(LOGS).json()["text"] == "last line"


def test_run_of_another_model_is_404():
    a_model()
    uid = a_run(a_wanted_model("other")).uid
    answer = operator().get(f"{LOGS}?run={uid}")
    assert answer.status_code == 404
    assert answer.json()["message"] == f"Model smol has no run {uid}."


def test_unknown_model_is_404():
    assert operator().get("/api/models/none/logs").status_code == 404


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("tail=0", "tail", "out_of_range"),
        ("tail=-1", "tail", "out_of_range"),
        ("tail=10001", "tail", "out_of_range"),
        ("tail=many", "tail", "wrong_type"),
        ("tail=" + "9" * 30, "tail", "out_of_range"),
        ("run=a%00b", "run", "null_characters_not_allowed"),
        ("run=" + "a" * 33, "run", "max_length"),
        ("search=" + "a" * 201, "search", "max_length"),
        ("follow=perhaps", "follow", "invalid"),
        ("download=perhaps", "download", "invalid"),
    ],
)
def test_invalid_parameters_are_rejected(query, field, code):
    a_run(a_wanted_model())
    answer = operator().get(f"{LOGS}?{query}")
    assert (answer.status_code, codes(answer)) == (400, [(field, code)])


def test_search_returns_matching_lines():
    LogWriter().write_lines("GET /health", "模型 Ready", "get /metrics")
    client = operator()
    found = client.get(LOGS, {"search": "get /"}).json()
    assert found["text"] == "GET /health\nget /metrics"
    assert client.get(LOGS, {"search": "模型"}).json()["text"] == "模型 Ready"


def test_hostile_content_is_text():
    LogWriter().write(b"<b>\xff\x00\x1b[31m\x1b]0;x\x07\x08\n" + b"y" * 1_000_000)
    bold, long = operator().get(LOGS).json()["text"].split("\n")
    assert bold == "<b>\ufffd"
    assert len(long) < 10_000


def test_engine_key_is_hidden():
    writer = LogWriter()
    writer.write_lines(f"key {writer.run.engine_key}")
    client = operator()
    assert client.get(LOGS).json()["text"] == "key ***"
    answer = client.get(f"{LOGS}?download=1")
    assert async_to_sync(body_of)(answer) == b"key ***\n"


def test_download_is_the_whole_log_as_a_file():
    writer = LogWriter(max_bytes=100_000)
    lines = [f"line {number}" for number in range(9_000)]
    writer.write_lines(*lines)
    answer = operator().get(f"{LOGS}?download=1", HTTP_ACCEPT="text/plain")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    name = f"smol-0-{writer.uid[:8]}.log"
    assert answer["Content-Disposition"].startswith(f'attachment; filename="{name}"')
    kept = async_to_sync(body_of)(answer).decode().splitlines()
    assert len(kept) > 5000
    assert kept[1:] == lines[-len(kept) + 1 :]


def test_viewers_may_read_and_outsiders_may_not():
    LogWriter()
    for group, status in (("viewer", 200), ("", 403)):
        for query in ("", "?follow=1", "?download=1"):
            user = a_user(group, name=f"{group or 'nobody'}{query[1:7]}")
            answer = client_of(user).head(f"{LOGS}{query}")
            assert answer.status_code == status
