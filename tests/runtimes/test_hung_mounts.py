"""Model folders on a mount that does not respond: everything goes on without them."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from common.enums import Retry
from common.exceptions import Invalid
from common.messages import find
from llmplatform.checks import configuration
from models_app import approvals
from models_app.models import Approval, ServedModel
from runtimes.checks.machine import disk
from runtimes.downloads.submit import writable_roots
from runtimes.supervision.launch import launch
from tests import builders
from tests.api import client_of, codes, operator, send
from tests.builders import a_run, a_user, a_wanted_model
from tests.models_app.people import client_as
from tests.runtimes.library.folders import a_model

pytestmark = pytest.mark.django_db

CODE = "mount_not_responding"


@pytest.fixture
def config(hung_root):
    return {"model_path": str(hung_root / "m.gguf")}


@pytest.fixture
def good(hung_root):
    return a_model(hung_root.with_name("good") / "good.gguf")


def test_library_lists_the_other_folders(hung_root, good):
    client = client_of(a_user("viewer"))
    builders.a_model("there", config={"model_path": str(hung_root / "m.gguf")})
    [entry] = client.get("/api/library").json()["results"]
    [problem] = client.get("/api/library/scan").json()["troubles"]
    assert (entry["path"], problem["code"]) == (str(good), CODE)
    assert problem["params"] == {"path": str(hung_root), "mount": str(hung_root)}


def test_library_page_has_a_note(hung_root, good):
    shown = client_as("viewer").get(reverse("admin:runtimes_library")).content.decode()
    assert f"The file system of {hung_root} does not respond." in shown
    assert good.name in shown


def test_links_and_mounts_below_a_folder_are_left_out(hung_root, settings):
    settings.MODEL_ROOTS = [hung_root.parent]
    good = a_model(hung_root.with_name("good") / "good.gguf")
    (good.parent / "file.gguf").symlink_to(hung_root / "m.gguf")
    answer = client_of(a_user("viewer")).get("/api/library/scan").json()
    paths = {p["params"]["path"] for p in answer["troubles"] if p["code"] == CODE}
    assert paths == {str(hung_root), str(good.parent / "file.gguf")}


def test_scan_command_names_the_folder(hung_root, good):
    out, errors = StringIO(), StringIO()
    call_command("scan_models", stdout=out, stderr=errors)
    assert str(good) in out.getvalue()
    assert str(hung_root) in errors.getvalue()


@pytest.mark.parametrize("path", ["/api/models", "/api/models/estimate"])
@pytest.mark.parametrize(
    ("framework", "key"), [("llama.cpp", "model_path"), ("vllm", "model_name")]
)
def test_model_there_is_refused(hung_root, path, framework, key):
    config = {key: str(hung_root / "m.gguf")}
    body = {"name": "smol", "framework": framework, "config": config}
    answer = send(operator(), "POST", path, body)
    assert answer.status_code == 400
    assert codes(answer) == [(f"config.{key}", CODE)]
    assert str(hung_root) in answer.content.decode()
    assert not ServedModel.objects.exists()


def test_models_elsewhere_are_created(good):
    config = {"model_path": str(good)}
    body = {"name": "smol", "framework": "llama.cpp", "config": config}
    assert send(operator(), "POST", "/api/models", body).status_code == 201


def test_preflight_has_an_error(config):
    body = {"framework": "llama.cpp", "config": config}
    answer = send(operator(), "POST", "/api/models/preflight", body)
    lines = {line["name"]: line for line in answer.json()["findings"]}
    assert (answer.status_code, lines["path"]["level"]) == (200, "error")
    assert config["model_path"] in lines["path"]["message"]


def test_nothing_is_approved_unseen(hung_root):
    config = {"model_name": str(hung_root), "trust_remote_code": True}
    model = builders.a_model(framework="vllm", config=config)
    with pytest.raises(Invalid) as refused:
        approvals.approve(model, a_user("admin"))
    assert [problem.code for problem in refused.value.problems] == [CODE]
    assert not Approval.objects.exists()


def test_action_of_the_admin_explains_what_it_cannot_approve(hung_root):
    config = {"model_name": str(hung_root), "trust_remote_code": True}
    model = builders.a_model(framework="vllm", config=config)
    form = {"action": "approve_selected", "_selected_action": [model.pk]}
    page = reverse("admin:models_app_servedmodel_changelist")
    answer = client_as("admin").post(page, form, follow=True)
    [message] = answer.context["messages"]
    assert f"The file system of {hung_root} does not respond." in str(message)


def test_model_can_be_moved_elsewhere(hung_root, good):
    """By an edit that compares the files from before."""
    before = {"model_path": str(hung_root / "m.gguf"), "extra_args": {"swa_full": True}}
    builders.a_model(config=before)
    after = {"config": {"model_path": str(good)}}
    answer = send(operator(), "PATCH", "/api/models/smol", after)
    assert answer.status_code == 200


def test_start_is_tried_again(config):
    run = a_run(a_wanted_model(config=config))
    launch(run.uid)
    run.refresh_from_db()
    assert run.end_code == CODE
    assert find(CODE).retry == Retry.BACKOFF


def test_hub_cache(hung_root, settings):
    settings.HUB_DIR = hung_root / "hub"
    body = {"framework": "vllm", "config": {"model_name": "org/name"}}
    answer = send(operator(), "POST", "/api/models/preflight", body)
    lines = {line["name"]: line for line in answer.json()["findings"]}
    assert str(settings.HUB_DIR) in lines["path"]["message"]


def test_downloads_go_elsewhere(hung_root, good):
    body = {"hub": "huggingface", "repo": "org/name", "root": str(hung_root)}
    answer = send(operator(), "POST", "/api/library/downloads", body)
    assert codes(answer) == [("root", "no_writable_root")]
    assert writable_roots() == [good.parent]


def test_commands_and_doctor_go_on(hung_root):
    assert configuration(None) == []
    findings = {finding.name: finding for finding in disk()}
    assert findings[f"disk {hung_root}"].level == "warning"
