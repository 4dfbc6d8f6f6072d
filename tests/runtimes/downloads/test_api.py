import pytest

from common import job_runner
from runtimes.downloads.jobs import Downloads
from runtimes.models import Download
from tests.api import client_of, operator, send
from tests.builders import a_user

pytestmark = pytest.mark.django_db

DOWNLOADS = "/api/library/downloads"
BODY = {"repo": "own/tiny", "files": "*Q4_K_M*.gguf"}


def ask(api, **body):
    return send(api, "POST", DOWNLOADS, {**BODY, **body})


def test_download_is_requested_and_watched(root):
    api = operator()
    request = ask(api)
    assert request.status_code == 202
    shown = request.json()
    assert (shown["state"], shown["progress"], shown["bytes_total"]) == (
        "queued",
        0,
        None,
    )
    assert (shown["hub"], shown["files"]) == ("huggingface", ["*Q4_K_M*.gguf"])
    assert (shown["path"], shown["created_by"]) == (str(root / "tiny"), "operator")
    job_runner.work(Downloads(), beats=False)
    shown = api.get(f"{DOWNLOADS}/{shown['uid']}").json()
    assert (shown["state"], shown["progress"], shown["reason"]) == (
        "done",
        1,
        None,
    )
    assert shown["bytes_done"] == shown["bytes_total"] == 3 * 2**20
    assert [one["uid"] for one in api.get(DOWNLOADS).json()] == [shown["uid"]]


def test_failure_says_what_to_do(root):
    api = operator(HTTP_ACCEPT_LANGUAGE="zh-hans")
    uid = ask(api, files="*Q2*").json()["uid"]
    job_runner.work(Downloads(), beats=False)
    shown = api.get(f"{DOWNLOADS}/{uid}").json()
    assert (shown["state"], shown["reason"]["code"]) == ("failed", "no_such_files")
    assert "没有文件匹配 *Q2*" in shown["reason"]["message"]


BAD = [
    ({"repo": ""}, "repo", "blank"),
    ({"repo": 0}, "repo", "invalid"),
    ({"files": 7}, "files", "invalid"),
    ({"hub": "elsewhere"}, "hub", "invalid_choice"),
    ({"folder": "../x"}, "folder", "bad_folder"),
    ({"root": "/"}, "root", "path_outside_roots"),
    ({"file": "*.gguf"}, "file", "unknown_field"),
    ({"repo": "own/tiny\x00"}, "repo", "null_characters_not_allowed"),
    ({"files": "x" * 3000}, "files", "max_length"),
]


@pytest.mark.parametrize(("body", "field", "code"), BAD)
def test_bad_input_is_named(root, body, field, code):
    answer = ask(operator(), **body)
    assert answer.status_code == 400
    errors = [(error["field"], error["code"]) for error in answer.json()["errors"]]
    assert errors == [(field, code)]
    assert not Download.objects.exists()


@pytest.mark.parametrize("code", ["folder_exists", "download_exists"])
def test_folder_that_exists_is_a_conflict(root, code):
    api = operator()
    if code == "folder_exists":
        (root / "tiny").mkdir()
    else:
        ask(api)
    answer = ask(api)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert [error["field"] for error in answer.json()["errors"]] == ["folder"]


def test_download_is_cancelled_tried_again_and_removed(root):
    api = operator()
    path = f"{DOWNLOADS}/{ask(api).json()['uid']}"
    assert api.post(f"{path}/cancel").json()["state"] == "cancelled"
    again = api.post(f"{path}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "download_not_allowed")
    assert api.post(f"{path}/retry").json()["state"] == "queued"
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert not Download.objects.exists()


def test_viewer_only_looks_on(root):
    ask(operator())
    viewer = client_of(a_user("viewer"))
    [shown] = viewer.get(DOWNLOADS).json()
    assert viewer.post(f"{DOWNLOADS}/{shown['uid']}/cancel").status_code == 403


@pytest.mark.parametrize("number", [1, 3])
def test_list_asks_a_fixed_number_of_times(root, django_assert_num_queries, number):
    api = operator()
    for index in range(number):
        ask(api, folder=f"n{index}")
    with django_assert_num_queries(4):
        assert len(api.get(DOWNLOADS).json()) == number


def test_secret_is_never_shown(root, settings, hub, caplog):
    settings.HUBS = dict.fromkeys(settings.HUBS, (hub.url, "hf_secret"))
    api = operator()
    uid = ask(api, repo="own/not").json()["uid"]
    job_runner.work(Downloads(), beats=False)
    assert hub.tokens == {"Bearer hf_secret"}
    shown = api.get(f"{DOWNLOADS}/{uid}").content.decode()
    row = str(Download.objects.values().get())
    assert "hf_secret" not in shown + row + caplog.text


def test_time_of_the_next_attempt_is_shown(root, hub):
    api = operator()
    uid = ask(api).json()["uid"]
    hub.statuses = {"/": 503}
    job_runner.work(Downloads(), beats=False)
    shown = api.get(f"{DOWNLOADS}/{uid}").json()
    assert (shown["state"], shown["reason"]["code"]) == ("queued", "hub_error")
    assert shown["retry_at"]
