import json

import pytest

from models_app.models import Activity, Run, ServedModel
from runtimes.preflight.subjects import SUBJECTS
from tests.api import administrator, client_of, codes, operator, send
from tests.builders import a_model, a_node, a_user
from tests.environment import DATA_DIR
from tests.gguf import a_gguf

pytestmark = pytest.mark.django_db

PREFLIGHT = "/api/models/preflight"


def a_body(**fields):
    path = DATA_DIR / "models" / "whole.gguf"
    path.write_bytes(a_gguf())
    return {"framework": "llama.cpp", "config": {"model_path": str(path)}, **fields}


def preflight(client=None, **fields):
    return send(client or operator(), "POST", PREFLIGHT, a_body(**fields))


def levels(answer):
    return {f["name"]: f["level"] for f in answer.json()["findings"]}


@pytest.mark.parametrize("slash", ["", "/"])
def test_preflight_lists_all_checks(slash):
    a_node()
    answer = send(operator(), "POST", PREFLIGHT + slash, a_body())
    assert answer.status_code == 200
    report = answer.json()
    assert report["ok"] is True
    assert tuple(f["name"] for f in report["findings"]) == SUBJECTS
    assert {frozenset(f) for f in report["findings"]} == {
        frozenset({"name", "level", "message", "advice"})
    }


def test_preflight_of_what_cannot_work_is_an_answer():
    gone = {"model_path": str(DATA_DIR / "models/gone.gguf")}
    answer = preflight(config=gone, name="smol")
    assert answer.status_code == 200
    assert answer.json()["ok"] is False
    assert levels(answer)["path"] == "error"


def test_preflight_writes_nothing():
    model = a_model()
    client = operator()
    preflight(client, name="new")
    send(client, "POST", PREFLIGHT, {"id": model.pk, "priority": 9})
    assert ServedModel.objects.get().priority == 5
    assert (Run.objects.count(), Activity.objects.count()) == (0, 0)


def test_preflight_of_a_model_takes_what_is_changed():
    a_node()
    model = a_model(config={"model_path": "/models/gone.gguf"})
    client = operator()
    stored = send(client, "POST", PREFLIGHT, {"id": model.pk})
    assert levels(stored)["path"] == "error"
    changed = send(client, "POST", PREFLIGHT, {"id": model.pk, **a_body(cpu_cores=9)})
    assert levels(changed)["path"] == "ok"
    assert levels(changed)["cpu"] == "error"


def test_preflight_of_a_name_that_is_taken_is_none_of_its_business():
    a_model("smol")
    assert preflight(name="smol").status_code == 200


def test_preflight_speaks_the_language_of_the_reader():
    answer = preflight(operator(HTTP_ACCEPT_LANGUAGE="zh-hans"), config={})
    [config] = [f for f in answer.json()["findings"] if f["name"] == "config"]
    assert config["advice"] == "请更正配置。"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"framework": "nowhere"}, ("framework", "unknown_framework")),
        ({"driver": "nothing"}, ("driver", "unknown_driver")),
        ({"config": []}, ("config", "wrong_type")),
        ({"config": {"a": "\0"}}, ("config", "not_storable")),
        ({"config": {"a": "x" * 300_000}}, ("config", "config_too_large")),
        ({"gpu_count": 99}, ("gpu_count", "out_of_range")),
        ({"gpu_count": "many"}, ("gpu_count", "wrong_type")),
        ({"gpu_memory_mib": 8}, ("gpu_memory_mib", "gpu_memory_without_gpus")),
        ({"gpus": 1}, ("gpus", "unknown_field")),
        ({"id": 0}, ("id", "out_of_range")),
        ({"id": "smol"}, ("id", "wrong_type")),
        ({"name": "Not A Name"}, ("name", "invalid_name")),
    ],
)
def test_preflight_refuses_what_is_no_model(fields, expected):
    answer = preflight(**fields)
    assert answer.status_code == 400
    assert codes(answer) == [expected]


@pytest.mark.parametrize("key", ["extra_args", "trust_remote_code"])
def test_preflight_leaves_to_administrators_what_is_theirs(key):
    config = {**a_body()["config"], key: {}}
    answer = preflight(config=config)
    assert answer.status_code == 400
    assert codes(answer) == [(f"config.{key}", "admin_only")]
    assert preflight(administrator(), config=config).status_code == 200


def test_preflight_of_what_an_administrator_has_set_is_open_to_others():
    config = {**a_body()["config"], "extra_args": {"swa_full": True}}
    model = a_model(config=config)
    draft = {"id": model.pk, "config": {**config, "n_ctx": 512}}
    assert send(operator(), "POST", PREFLIGHT, draft).status_code == 200


@pytest.mark.parametrize("body", [[], "text", 7, None, [{}]])
def test_preflight_of_no_object_is_refused(body):
    assert send(operator(), "POST", PREFLIGHT, body).status_code == 400


def test_preflight_of_an_unknown_model_is_not_found():
    answer = send(operator(), "POST", PREFLIGHT, {"id": 99})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_preflight_is_for_those_who_may_add_models():
    assert preflight(client_of(a_user("viewer"))).status_code == 403
    assert preflight(client_of()).status_code == 401


def test_preflight_is_no_name_of_a_model():
    client, body = operator(), {**a_body(), "name": "preflight"}
    answer = send(client, "POST", "/api/models", body)
    assert codes(answer) == [("name", "name_reserved")]
    assert client.get(PREFLIGHT).status_code == 405


def test_preflight_of_a_deep_or_large_body_is_an_answer():
    client = operator()
    deep = '{"config": ' + "[" * 100_000 + "]" * 100_000 + "}"
    large = json.dumps(a_body(config={f"k{at}": at for at in range(10_000)}))
    statuses = [
        client.generic("POST", PREFLIGHT, text, "application/json").status_code
        for text in (deep, large)
    ]
    assert statuses == [400, 200]
