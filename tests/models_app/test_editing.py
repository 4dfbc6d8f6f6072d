import pytest

from common.exceptions import Conflict, Invalid
from models_app import lifecycle
from models_app.activity import record
from models_app.editing import create_model, delete_model, update_model
from models_app.enums import RunState
from models_app.models import Activity, Run, ServedModel
from tests.builders import a_model, a_run, a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def notices(django_capture_on_commit_callbacks):
    """The number of changes published to the other processes."""

    def count(work) -> int:
        with django_capture_on_commit_callbacks() as callbacks:
            work()
        return len(callbacks)

    return count


def test_create_writes_tags_activity_and_a_notice(notices):
    user = a_user("operator")
    fields = {"name": "new", "tags": ["b", "a"], "priority": 7}
    assert notices(lambda: create_model(fields, user)) == 1
    model = ServedModel.objects.get()
    assert (model.name, model.priority) == ("new", 7)
    assert sorted(model.tags.names()) == ["a", "b"]
    assert Activity.objects.get().actor == user


def test_create_of_a_name_taken_meanwhile_is_invalid_and_leaves_nothing():
    a_model("new")
    with pytest.raises(Invalid) as refused:
        create_model({"name": "new", "tags": ["x"]})
    [problem] = refused.value.problems
    assert (problem.code, problem.field) == ("duplicate_name", "name")
    assert (ServedModel.objects.count(), Activity.objects.count()) == (1, 0)


def test_update_of_a_name_taken_meanwhile_is_invalid():
    model = a_model("one")
    a_model("two")
    with pytest.raises(Invalid):
        update_model(model, {"name": "two", "priority": 9})
    model.refresh_from_db()
    assert (model.name, model.priority) == ("one", 5)


def test_updates_from_outdated_rows_keep_each_others_fields():
    model = a_model()
    first, second = (ServedModel.objects.get(pk=model.pk) for _ in range(2))
    lifecycle.request_start(model)
    update_model(first, {"priority": 9, "replicas": 2})
    update_model(second, {"description": "mine", "replicas": 3})
    model.refresh_from_db()
    assert (model.priority, model.description, model.replicas) == (9, "mine", 3)
    assert (model.status, model.generation) == ("starting", 1)


def test_update_to_the_same_is_nothing(notices):
    model = a_model(priority=3)
    model.tags.add("a")
    before = model.updated_at
    same = {"priority": 3, "config": dict(model.config), "tags": ["a", "a"]}
    assert notices(lambda: update_model(model, same)) == 0
    assert (model.updated_at, Activity.objects.count()) == (before, 0)


def test_update_records_the_fields(notices):
    model = a_model()
    change = {"priority": 3, "name": "renamed", "tags": ["a"], "replicas": 1}
    assert notices(lambda: update_model(model, change)) == 1
    assert model.name == "renamed"
    changed = Activity.objects.get()
    assert changed.params == {"fields": ["name", "priority", "tags"]}


def test_rename_of_a_model_started_meanwhile_conflicts():
    model = a_model()
    outdated = ServedModel.objects.get(pk=model.pk)
    lifecycle.request_start(model)
    with pytest.raises(Conflict) as refused:
        update_model(outdated, {"name": "renamed"})
    assert refused.value.params["status"] == "starting"
    model.refresh_from_db()
    assert model.name == "smol"


def test_delete_of_a_model_started_meanwhile_conflicts():
    model = a_model()
    outdated = ServedModel.objects.get(pk=model.pk)
    lifecycle.request_start(model)
    with pytest.raises(Conflict) as refused:
        delete_model(outdated)
    assert refused.value.params["status"] == "starting"
    assert ServedModel.objects.filter(pk=model.pk).exists()


@pytest.mark.parametrize("verb", [delete_model, lambda m: update_model(m, {})])
def test_a_model_deleted_meanwhile_conflicts(verb):
    model = a_model()
    outdated = ServedModel.objects.get(pk=model.pk)
    delete_model(model)
    with pytest.raises(Conflict):
        verb(outdated)
    assert Activity.objects.filter(code="model_deleted").count() == 1


def test_delete_takes_runs_along_and_keeps_the_activity():
    model = a_model()
    run = a_run(model, RunState.ENDED)
    record("run_ended", model=model, run=run)
    delete_model(model)
    assert Run.objects.count() == 0
    kept = Activity.objects.get(code="run_ended")
    assert (kept.model, kept.run, kept.model_name) == (None, None, "smol")


def test_update_of_what_only_together_breaks_a_rule_conflicts():
    model = a_model(gpu_count=1)
    ServedModel.objects.update(gpu_memory_mib=9000)  # meanwhile
    with pytest.raises(Conflict):
        update_model(model, {"gpu_count": 0})
    model.refresh_from_db()
    assert (model.gpu_count, model.gpu_memory_mib) == (1, 9000)
