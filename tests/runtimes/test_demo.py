import pytest
from django.core.management import CommandError, call_command

from models_app import editing, lifecycle
from models_app.enums import Status
from models_app.models import Activity, ServedModel
from models_app.ports import config_problems
from runtimes import demo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    settings.MODEL_ROOTS = [tmp_path / "models"]


def test_install_makes_a_wanted_model_that_can_run():
    model = demo.install()
    assert (model.name, model.status) == (demo.NAME, Status.STARTING)
    assert config_problems(model.framework, model.config) == []


def test_install_again_changes_nothing():
    first = demo.install()
    count = Activity.objects.count()
    again = demo.install()
    assert (again.pk, again.generation) == (first.pk, first.generation)
    assert Activity.objects.count() == count


def test_install_leaves_a_stopped_model_stopped():
    lifecycle.request_stop(demo.install())
    assert demo.install().desired_state == "stopped"


@pytest.mark.parametrize(("once", "there"), [(True, False), (False, True)])
def test_install_after_the_model_was_deleted(once, there):
    editing.delete_model(lifecycle.request_stop(demo.install()))
    demo.install(once=once)
    assert ServedModel.objects.filter(name=demo.NAME).exists() == there


def test_place_file_links_and_keeps_what_is_there(tmp_path):
    path = demo.place_file(tmp_path / "models")
    assert path.stat().st_size == demo.packaged_file().stat().st_size
    before = path.stat()
    assert demo.place_file(tmp_path / "models").stat().st_ino == before.st_ino
    assert [p.name for p in (tmp_path / "models").iterdir()] == [demo.FILE]


def test_command_ends_with_3_for_a_model_that_somebody_stopped(capsys):
    lifecycle.request_stop(demo.install())
    with pytest.raises(SystemExit) as left:
        call_command("install_demo_model", wait=5)
    assert left.value.code == 3
    assert demo.NAME in capsys.readouterr().out


def test_command_gives_the_reason_the_model_does_not_run():
    demo.install()
    with pytest.raises(CommandError, match="is not running"):
        call_command("install_demo_model", wait=0.1)
