import pytest

from models_app.enums import RunState, Status
from models_app.models import Activity, ServedModel
from tests.api import a_body, a_gguf, administrator, client_of, codes, operator, send
from tests.builders import a_model, a_node, a_run, a_user, a_wanted_model

pytestmark = pytest.mark.django_db

FIELDS = {
    "id", "name", "display_name", "description", "tags", "framework", "driver",
    "config", "model_kind", "gpu_count", "gpu_memory_mib", "cpu_cores", "memory_mib",
    "priority", "preemptible", "preempts", "placement", "pinned_gpus", "replicas",
    "desired_state", "status", "reason", "aliases",
    "allowed_operations", "restart_required", "changed_fields", "created_at",
    "input_price", "cached_input_price", "output_price",
    "cache_ttl_s", "updated_at",
}  # fmt: skip


def test_create_needs_name_framework_and_config():
    answer = send(operator(), "POST", "/api/models", a_body())
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == FIELDS
    shown = {key: made[key] for key in ("driver", "priority", "replicas", "status")}
    assert shown == {
        "driver": "process", "priority": 5, "replicas": 1, "status": "stopped"
    }  # fmt: skip
    assert made["reason"] is None
    assert made["allowed_operations"] == ["start", "rename", "delete"]


def test_create_accepts_every_field_and_records_the_actor():
    body = a_body(
        display_name="小模型", description="two\nlines", tags=["b", "a", "a"],
        gpu_count=2, gpu_memory_mib=8000, cpu_cores=3, memory_mib=100, priority=10,
        preemptible=False, replicas=2, driver="process",
        input_price="0.1500", cached_input_price="0.0750", output_price="999999.0000",
        cache_ttl_s=86_400,
    )  # fmt: skip
    answer = send(operator(), "POST", "/api/models", body)
    assert answer.status_code == 201
    assert answer.json().items() >= {**body, "tags": ["a", "b"]}.items()
    created = Activity.objects.get(code="model_created")
    assert (created.actor_name, created.model_name) == ("operator", "smol")


@pytest.mark.parametrize("price", ["-1", "x", "1.00001", "1e9", "NaN"])
def test_price_that_is_none_creates_nothing(price):
    body = a_body(output_price=price)
    answer = send(operator(), "POST", "/api/models", body)
    assert answer.status_code == 400
    assert [field for field, _ in codes(answer)] == ["output_price"]
    assert not ServedModel.objects.exists()


@pytest.mark.parametrize("missing", ["name", "framework", "config"])
def test_create_without_a_needed_field_names_it(missing):
    body = a_body()
    del body[missing]
    answer = send(operator(), "POST", "/api/models", body)
    assert (answer.status_code, codes(answer)) == (400, [(missing, "required")])


@pytest.mark.parametrize(
    ("wrong", "field", "code"),
    [
        ({"name": "Not A Slug"}, "name", "invalid_name"),
        ({"name": "123"}, "name", "invalid_name"),
        ({"name": None}, "name", "null"),
        ({"name": ["x"]}, "name", "invalid"),
        ({"display_name": "x" * 201}, "display_name", "max_length"),
        ({"description": "a\0b"}, "description", "null_characters_not_allowed"),
        (
            {"display_name": "\ud800"},
            "display_name",
            "surrogate_characters_not_allowed",
        ),
        ({"tags": "demo"}, "tags", "not_a_list"),
        ({"tags": [["x"]]}, "tags.0", "invalid"),
        ({"tags": ["x" * 101]}, "tags.0", "max_length"),
        ({"tags": ["a\0"]}, "tags.0", "null_characters_not_allowed"),
        ({"tags": [str(n) for n in range(51)]}, "tags", "max_length"),
        ({"framework": "torch"}, "framework", "unknown_framework"),
        ({"driver": "rocket"}, "driver", "unknown_driver"),
        ({"config": []}, "config", "wrong_type"),
        ({"config": "{}"}, "config", "wrong_type"),
        ({"config": None}, "config", "null"),
        ({"priority": 0}, "priority", "out_of_range"),
        ({"priority": 11}, "priority", "out_of_range"),
        ({"priority": 5.5}, "priority", "wrong_type"),
        ({"priority": True}, "priority", "wrong_type"),
        ({"priority": "high"}, "priority", "wrong_type"),
        ({"priority": "5"}, "priority", "wrong_type"),
        ({"description": 0}, "description", "invalid"),
        ({"pinned_gpus": [0]}, "pinned_gpus.0", "invalid"),
        ({"preempts": 1}, "preempts", "invalid"),
        ({"force": "true"}, "force", "invalid"),
        ({"priority": 10**30}, "priority", "out_of_range"),
        ({"replicas": 0}, "replicas", "out_of_range"),
        ({"replicas": 10**300}, "replicas", "out_of_range"),
        ({"gpu_count": -1}, "gpu_count", "out_of_range"),
        ({"cpu_cores": 0}, "cpu_cores", "out_of_range"),
        ({"memory_mib": {}}, "memory_mib", "wrong_type"),
        ({"preemptible": []}, "preemptible", "invalid"),
        ({"gpu_memory_mib": 8000}, "gpu_memory_mib", "gpu_memory_without_gpus"),
        ({"priorty": 3}, "priorty", "unknown_field"),
        ({"\ud800": 3}, "?", "unknown_field"),
    ],
)
def test_create_refuses_and_makes_nothing(wrong, field, code):
    body = {**a_body(), **wrong}
    answer = send(operator(), "POST", "/api/models", body)
    assert (answer.status_code, codes(answer)) == (400, [(field, code)])
    assert answer.json()["code"] == "validation_error"
    assert (ServedModel.objects.count(), Activity.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"priority": 11}, "priority must be between 1 and 10, not 11."),
        ({"priority": "high"}, 'priority must be an integer, not "high".'),
        ({"priorty": 3}, "Unknown field priorty. Did you mean priority?"),
        (
            {"framework": "torch"},
            ("Unknown framework torch. Allowed values: llama.cpp, vllm."),
        ),
        (
            {"driver": "rocket"},
            ("Unknown driver rocket. Allowed values: process, docker."),
        ),
    ],
)
def test_create_names_the_value_and_what_is_allowed(wrong, text):
    answer = send(operator(), "POST", "/api/models", {**a_body(), **wrong})
    assert answer.json()["errors"][0]["message"] == text


@pytest.mark.parametrize(
    ("config", "errors"),
    [
        ({}, [("config.model_path", "missing_key")]),
        ({"model_path": "/etc/passwd"}, [("config.model_path", "path_outside_roots")]),
        ({"n_ctx": "many"}, [("config.n_ctx", "wrong_type")]),
        ({"n_ctx": 0, "n_thread": 4},
         [("config.n_thread", "unknown_key"), ("config.n_ctx", "out_of_range")]),
        ({"chat_template": "a\0b"}, [("config", "not_storable")]),
        ({"chat_template": "x" * 300_000}, [("config", "config_too_large")]),
        ({"extra_args": {"a": [[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]}},
         [("config", "too_deep")]),
    ],
)  # fmt: skip
def test_create_refuses_a_wrong_config(config, errors):
    needed = {"model_path": a_gguf()} if config.keys() - {"model_path"} else {}
    body = {**a_body(), "config": {**needed, **config}}
    answer = send(administrator(), "POST", "/api/models", body)
    assert (answer.status_code, codes(answer)) == (400, errors)
    assert ServedModel.objects.count() == 0


def test_errors_of_a_config_come_with_message_and_parameters():
    body = a_body(config={"model_path": a_gguf(), "n_ctxx": 1})
    [error] = send(operator(), "POST", "/api/models", body).json()["errors"]
    assert error["message"] == "Unknown key n_ctxx. Did you mean n_ctx?"
    assert error["params"]["nearest"] == "n_ctx"


def test_create_of_a_taken_name():
    a_model("smol")
    answer = send(operator(), "POST", "/api/models", a_body())
    assert (answer.status_code, codes(answer)) == (400, [("name", "duplicate_name")])


def test_state_cannot_be_written():
    body = a_body(status="running", desired_state="running", id=77)
    made = send(operator(), "POST", "/api/models", body).json()
    assert (made["status"], made["desired_state"]) == ("stopped", "stopped")
    assert made["id"] != 77


@pytest.mark.parametrize("path", ["/api/models/{0.pk}", "/api/models/{0.name}/"])
def test_read_by_id_or_name(path):
    model = a_model("qwen2.5-7b_q4", priority=7)
    answer = operator().get(path.format(model))
    assert (answer.status_code, answer.json()["priority"]) == (200, 7)


@pytest.mark.parametrize(
    "path",
    ["0", "12345", "99999999999999999999", "9" * 400, "nothing", "-", "a%00b", "模型"],
)
@pytest.mark.parametrize("rest", ["", "/", "/status"])
def test_read_of_an_unknown_model_is_404(path, rest):
    answer = operator().get(f"/api/models/{path}{rest}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_patch_changes_what_is_sent():
    model = a_model(config={"model_path": "/gone.gguf"}, priority=3)
    body = {"priority": 8, "tags": ["x"]}
    answer = send(operator(), "PATCH", "/api/models/smol", body)
    assert answer.status_code == 200
    assert (answer.json()["priority"], answer.json()["tags"]) == (8, ["x"])
    assert answer.json()["config"] == model.config
    changed = Activity.objects.get(code="model_updated")
    assert changed.params == {"fields": ["priority", "tags"]}


def test_put_takes_back_what_get_gave():
    a_model(config={"model_path": a_gguf()})
    client = operator()
    body = client.get("/api/models/smol").json()
    answer = send(client, "PUT", "/api/models/smol", {**body, "priority": 9})
    assert answer.status_code == 200
    assert answer.json().items() >= {"priority": 9, "config": body["config"]}.items()


def test_put_needs_what_create_needs():
    a_model()
    answer = send(operator(), "PUT", "/api/models/smol", {"priority": 9})
    assert (answer.status_code, {code for _, code in codes(answer)}) == (
        400,
        {"required"},
    )


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"name": "taken"}, "name", "duplicate_name"),
        ({"config": {"n_ctx": 1}}, "config.model_path", "missing_key"),
        ({"gpu_memory_mib": 10}, "gpu_memory_mib", "gpu_memory_without_gpus"),
        ({"stat": 1}, "stat", "unknown_field"),
    ],
)
def test_patch_refuses_and_changes_nothing(change, field, code):
    a_model("taken")
    before = a_model("smol")
    answer = send(operator(), "PATCH", "/api/models/smol", change)
    assert (answer.status_code, codes(answer)) == (400, [(field, code)])
    after = ServedModel.objects.get(name="smol")
    assert (after.config, after.updated_at) == (before.config, before.updated_at)


@pytest.mark.parametrize(
    ("status", "answered"), [("stopped", 200), ("running", 409), ("error", 409)]
)
def test_rename_only_when_stopped(status, answered):
    desired = "stopped" if status == "stopped" else "running"
    a_model(status=status, desired_state=desired)
    answer = send(operator(), "PATCH", "/api/models/smol", {"name": "other"})
    assert answer.status_code == answered
    assert ServedModel.objects.filter(name="other").exists() == (answered == 200)


def test_delete_of_a_stopped_model():
    a_model()
    assert administrator().delete("/api/models/smol").status_code == 204
    assert ServedModel.objects.count() == 0
    deleted = Activity.objects.get(code="model_deleted")
    assert (deleted.model_name, deleted.actor_name) == ("smol", "admin")


def test_delete_of_a_running_model_is_409_with_what_is_allowed():
    a_model(status="running", desired_state="running")
    answer = administrator().delete("/api/models/smol")
    assert answer.status_code == 409
    assert answer.json() == {
        "code": "operation_not_allowed",
        "message": "Model smol is in the status “Running”, which does not allow"
        " “Delete”. Allowed operations: Stop,"
        " Restart.",
        "errors": [],
        "status": "running",
        "allowed": ["stop", "restart"],
    }
    assert ServedModel.objects.count() == 1


def test_a_model_that_is_stopping_allows_nothing():
    a_model(status="stopping")
    refusal = administrator().delete("/api/models/smol").json()["message"]
    assert refusal.endswith("does not allow “Delete”. Allowed operations: none.")


@pytest.mark.parametrize(
    ("group", "answered"), [("operator", 400), ("admin", 201), ("", 201)]
)
def test_only_administrators_set_extra_args(group, answered):
    user = a_user(group, is_superuser=not group)
    config = {"model_path": a_gguf(), "extra_args": {"swa_full": True}}
    client = client_of(user)
    answer = send(client, "POST", "/api/models", a_body(config=config))
    assert answer.status_code == answered
    if answered == 400:
        assert codes(answer) == [("config.extra_args", "admin_only")]


def test_create_refuses_what_no_machine_could_give_unless_forced():
    a_node(gpus=[24_000])
    client, body = operator(), a_body(gpu_count=2)
    answer = send(client, "POST", "/api/models", body)
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["code"], error["field"]) == ("out_of_range", "gpu_count")
    assert error["params"]["max"] == 1
    assert ServedModel.objects.count() == 0
    answer = send(client, "POST", "/api/models", {**body, "force": True})
    assert answer.status_code == 201
    assert "force" not in answer.json()


EDITS = [
    ({}, []),
    ({"description": "new", "priority": 9, "replicas": 2}, []),
    ({"config": {"n_ctx": 1024}}, ["config.n_ctx"]),
    ({"config": {"n_ctx": 1024, "n_batch": 64}}, ["config.n_batch", "config.n_ctx"]),
    ({"gpu_count": 2}, ["gpu_count"]),
]


@pytest.mark.parametrize(("changes", "fields"), EDITS)
def test_edit_of_a_running_model_reports_what_a_restart_applies(changes, fields):
    config = {"model_path": a_gguf(), "n_ctx": 512}
    model = a_wanted_model("smol", config=config)
    a_run(model, RunState.READY)
    a_run(a_wanted_model("other"), RunState.READY)
    if "config" in changes:
        changes = {**changes, "config": {**config, **changes["config"]}}
    client = operator()
    edited = send(client, "PATCH", "/api/models/smol", changes)
    [_other, listed] = client.get("/api/models").json()["results"]
    for body in (
        edited.json(),
        listed,
        client.get("/api/models/smol").json(),
        client.get("/api/models/smol/status").json(),
    ):
        assert body["restart_required"] is bool(fields)
        assert body["changed_fields"] == fields


def test_restart_and_stop_need_no_other_restart():
    model = a_wanted_model("smol", status=Status.RUNNING, gpu_count=1)
    a_run(model, RunState.READY)
    client = operator()
    assert client.get("/api/models/smol").json()["changed_fields"] == ["gpu_count"]
    restarted = client.post("/api/models/smol/restart").json()
    assert (restarted["restart_required"], restarted["changed_fields"]) == (False, [])
    assert client.get("/api/models/smol").json()["restart_required"] is False


@pytest.mark.parametrize(
    ("aliases", "code"),
    [
        (["Qwen/Qwen2.5-0.5B-Instruct", "llama3:8b"], None),
        ([], None),
        (["taken"], "duplicate_alias"),
        (["Taken/Alias"], "duplicate_alias"),
        (["smol"], "duplicate_alias"),
        (["a", "a"], "duplicate_alias"),
        (["123"], "invalid_alias"),
        (["a b"], "invalid_alias"),
        (["/a"], "invalid_alias"),
        (["a" * 129], "max_length"),
        ([f"a{number}" for number in range(21)], "max_length"),
    ],
)
def test_aliases_are_names_that_no_other_model_has(aliases, code):
    a_model("taken", aliases=["Taken/Alias"])
    client = operator()
    answer = send(client, "POST", "/api/models", a_body(aliases=aliases))
    if code is None:
        assert answer.json()["aliases"] == aliases
    else:
        assert answer.status_code == 400
        assert {found for _, found in codes(answer)} == {code}
        assert ServedModel.objects.count() == 1


def test_name_cannot_be_an_alias_of_another_model():
    a_model("taken", aliases=["llama3"])
    answer = send(operator(), "POST", "/api/models", a_body("llama3"))
    assert codes(answer) == [("name", "duplicate_name")]


def test_aliases_stay_when_other_fields_change():
    model = a_model("smol", aliases=["llama3:8b"])
    client = operator()
    answer = send(client, "PATCH", f"/api/models/{model.pk}", {"priority": 7})
    assert answer.json()["aliases"] == ["llama3:8b"]
    answer = send(client, "PATCH", f"/api/models/{model.pk}", {"aliases": []})
    assert answer.json()["aliases"] == []
