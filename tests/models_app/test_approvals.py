import os
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps

from common.exceptions import Conflict
from models_app import approvals
from models_app.editing import create_model, update_model
from models_app.models import Activity, Approval, ServedModel
from tests.api import a_body, a_gguf, administrator, client_of, operator, send
from tests.builders import a_model, a_user
from tests.environment import DATA_DIR
from tests.gguf import a_gguf as gguf_bytes
from tests.models_app.model_form import filled
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

EXTRA = {"extra_args": {"swa_full": True}}


@pytest.fixture
def folder():
    """A model for vLLM with code of its own."""
    place = DATA_DIR / "models" / "with-code"
    place.mkdir(exist_ok=True)
    (place / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (place / "modeling.py").write_text("SAFE = 1\n")
    return place


def config_of(folder: Path, **more) -> dict:
    return {"model_name": str(folder), "trust_remote_code": True, **more}


def approved_model(folder: Path):
    fields = {"name": "smol", "framework": "vllm", "config": config_of(folder)}
    return create_model(fields, a_user("admin"))


def missing(model) -> list[tuple[str, list[str]]]:
    """(key, what changed) of each key without a valid approval."""
    model.refresh_from_db()
    problems = approvals.missing(model.pk, approvals.setup_of(model))
    return [(p.params["key"], p.params["changed"]) for p in problems]


def events(code: str) -> list[dict]:
    return [event.params for event in Activity.objects.filter(code=code)]


def test_administrators_approve_what_they_set(folder):
    assert missing(approved_model(folder)) == []
    assert Approval.objects.get().approved_by == "admin"
    assert events("approval_granted") == [{"keys": ["trust_remote_code"]}]


def test_administrators_approve_what_they_set_in_the_form():
    model = a_model(config={"model_path": a_gguf()})
    url = f"/admin/models_app/servedmodel/{model.pk}/change/"
    form = filled({"model_path": a_gguf(), **EXTRA})
    assert client_as("admin").post(url, form).status_code == 302
    assert missing(model) == []


def test_models_without_such_settings_need_no_approval():
    assert missing(create_model({"name": "smol"}, a_user("operator"))) == []
    assert not Approval.objects.exists()


def test_what_nobody_approved_is_missing(folder):
    model = a_model(framework="vllm", config=config_of(folder))
    assert missing(model) == [("trust_remote_code", [])]


def other_folder(folder: Path) -> dict:
    other = folder.with_name("other")
    other.mkdir(exist_ok=True)
    (other / "config.json").write_text("{}")
    return {"config": config_of(other)}


CHANGES = [
    (lambda folder: {"driver": "docker"}, ["driver", "engine"]),
    (lambda folder: {"gpu_count": 1}, ["engine"]),
    (lambda folder: {"config": config_of(folder, engine="vllm@x")}, ["engine"]),
    (other_folder, ["model", "files"]),
]


@pytest.mark.parametrize(("change", "parts"), CHANGES)
def test_approval_lapses_when_an_operator_changes_what_it_covers(folder, change, parts):
    model = approved_model(folder)
    update_model(model, change(folder), a_user("operator"))
    assert missing(model) == [("trust_remote_code", parts)]
    [event] = events("approval_lapsed")
    assert event == {"key": "trust_remote_code", "changed": parts}


@pytest.mark.parametrize(("change", "_parts"), CHANGES)
def test_approval_goes_with_the_edits_of_administrators(folder, change, _parts):
    model = approved_model(folder)
    update_model(model, change(folder), a_user("admin", name="other"))
    assert missing(model) == []


@pytest.mark.parametrize("change", [{"priority": 9}, {"description": "x"}])
def test_approval_stays_when_other_fields_change(folder, change):
    model = approved_model(folder)
    update_model(model, change, a_user("operator"))
    assert missing(model) == []


def test_approval_stays_when_other_settings_change(folder):
    model = approved_model(folder)
    changed = {"config": config_of(folder, max_model_len=512)}
    update_model(model, changed, a_user("operator"))
    assert missing(model) == []


def test_administrators_do_not_renew_what_had_lapsed_by_another_edit(folder):
    model = approved_model(folder)
    update_model(model, other_folder(folder), a_user("operator"))
    other = folder.with_name("other")
    changes = {"config": config_of(other, max_model_len=512)}
    update_model(model, changes, a_user("admin", name="second"))
    assert missing(model) == [("trust_remote_code", ["model", "files"])]


def change_code(folder: Path) -> None:
    (folder / "modeling.py").write_text("EVIL = 1\n")


def change_code_unnoticeably(folder: Path) -> None:
    """Of the same size and modification time."""
    path = folder / "modeling.py"
    before = path.stat()
    path.write_text("EVIL = 1\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def add_code(folder: Path) -> None:
    (folder / "deep").mkdir(exist_ok=True)
    (folder / "deep" / "more.py").write_text("")


def rename_code(folder: Path) -> None:
    (folder / "modeling.py").rename(folder / "other.py")


def swap_folder(folder: Path) -> None:
    folder.rename(folder.with_name("moved-away"))
    folder.mkdir()
    (folder / "config.json").write_text("{}")


@pytest.mark.parametrize(
    "swap",
    [change_code, change_code_unnoticeably, add_code, rename_code, swap_folder],
)
def test_swapped_files_are_noticed(tmp_path, swap):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "modeling.py").write_text("SAFE = 1\n")
    model = approved_model(folder)
    swap(folder)
    assert missing(model) == [("trust_remote_code", ["files"])]


def test_change_behind_the_platform_is_noticed(folder):
    """As an import or a restored revision would make it."""
    model = approved_model(folder)
    type(model).objects.update(config=config_of(folder.with_name("other")))
    [(key, parts)] = missing(model)
    assert (key, parts[0]) == ("trust_remote_code", "model")


def test_approve_covers_the_model_as_it_is_now(folder):
    model = approved_model(folder)
    change_code(folder)
    approvals.approve(model, a_user("admin", name="second"))
    assert missing(model) == []
    assert Approval.objects.get().approved_by == "second"
    assert len(events("approval_granted")) == 2


def test_approve_refuses_a_model_that_changed_meanwhile(folder):
    model = approved_model(folder)
    outdated = type(model).objects.get()
    update_model(model, {"driver": "docker"}, a_user("operator"))
    with pytest.raises(Conflict):
        approvals.approve(outdated, a_user(name="root", is_superuser=True))
    assert missing(model)


def test_operators_patch_through_the_api_is_shown_and_approved_again():
    config = {"model_path": a_gguf(), **EXTRA}
    admin, client = administrator(), operator()
    made = send(admin, "POST", "/api/models", a_body(config=config)).json()
    other = a_gguf("other.gguf")
    Path(other).write_bytes(gguf_bytes())
    changes = {"config": {**config, "model_path": other}}
    assert send(client, "PATCH", "/api/models/smol", changes).status_code == 200
    draft = {"id": made["id"]}
    report = send(client, "POST", "/api/models/preflight", draft).json()
    [finding] = [f for f in report["findings"] if f["name"] == "config"]
    assert "model path, model files" in finding["message"]
    assert "/approve" in finding["advice"]
    answer = send(admin, "POST", "/api/models/smol/approve", {})
    assert (answer.status_code, answer.json()["name"]) == (200, "smol")
    assert missing(ServedModel.objects.get()) == []
    report = send(client, "POST", "/api/models/preflight", draft).json()
    assert "approve" not in str(report)


def test_approve_of_a_model_without_such_settings_is_a_conflict():
    a_model()
    answer = send(administrator(), "POST", "/api/models/smol/approve", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_approve")


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", 0), ("operator", 0), ("admin", 1)]
)
@pytest.mark.parametrize("bulk", [False, True])
def test_administrators_approve_in_the_admin(folder, role, may, bulk):
    model = a_model(framework="vllm", config=config_of(folder))
    client, page = client_as(role), "/admin/models_app/servedmodel/"
    shown = client.get(f"{page}{model.pk}/change/").content.decode()
    assert ("/approve/" in shown) == bool(may)
    assert "(not approved)" in shown
    if bulk:
        form = {"action": "approve_selected", "_selected_action": [model.pk]}
        client.post(page, form)
    else:
        client.post(f"{page}{model.pk}/approve/")
    assert Approval.objects.count() == may


@pytest.mark.parametrize(
    ("made_by", "edited_by", "fields", "approved"),
    [
        ("admin", None, [], True),
        ("", None, [], True),
        ("admin", "operator", ["priority"], True),
        ("admin", "operator", ["driver"], False),
        ("admin", "operator", ["config"], False),
        ("admin", "admin", ["config"], True),
        ("operator", None, [], False),
        (None, None, [], False),
    ],
)
def test_migration_approves_what_only_administrators_set_up(
    folder, made_by, edited_by, fields, approved
):
    """made_by: empty: a command; None: its activity was deleted."""
    people = {name: a_user(name) for name in ("admin", "operator")} | {"": None}
    model = a_model(framework="vllm", config=config_of(folder))
    edits = [("model_created", made_by, {}), ("model_updated", edited_by, fields)]
    for code, name, changed in edits:
        if name is not None:
            Activity.objects.create(
                code=code, model=model, params={"fields": list(changed)},
                actor=people[name], actor_name=name,
            )  # fmt: skip
    migration = import_module("models_app.migrations.0013_approvals")
    migration.approve_existing(apps, None)
    assert (missing(model) == []) is approved


def test_only_administrators_approve_through_the_api():
    a_model(config={"model_path": a_gguf(), **EXTRA})
    for name in ("viewer", "operator"):
        client = client_of(a_user(name))
        assert send(client, "POST", "/api/models/smol/approve", {}).status_code == 403
