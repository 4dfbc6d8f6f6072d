from datetime import timedelta

import pytest
from django.utils import timezone

from common.models import new_uid
from models_app.enums import RunState
from models_app.models import Activity, Run
from runtimes.cleanup import delete_old_runs
from runtimes.registry import driver
from tests.builders import a_run, a_wanted_model

pytestmark = pytest.mark.django_db


def test_cleanup_keeps_the_newest_runs_of_each_model(settings):
    settings.KEPT_RUNS = 2
    for name in ("one", "two"):
        model = a_wanted_model(name)
        kept = [a_run(model, RunState.ENDED) for _ in range(4)][-2:]
        delete_old_runs()
        assert list(model.runs.order_by("pk")) == kept


def test_cleanup_never_deletes_a_live_run(settings):
    settings.KEPT_RUNS = 1
    model = a_wanted_model()
    live = a_run(model, RunState.READY)
    a_run(model, RunState.ENDED)
    a_run(model, RunState.ENDED)
    delete_old_runs()
    assert Run.objects.filter(pk=live.pk).exists()
    assert model.runs.ended().count() == 1


def test_cleanup_deletes_old_activity(settings):
    settings.ACTIVITY_DAYS = 10
    old, new = (Activity.objects.create(code="start_requested") for _ in range(2))
    Activity.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=11))
    delete_old_runs()
    assert list(Activity.objects.all()) == [new]


def test_cleanup_deletes_files_of_runs_without_a_row():
    kept, lost = a_run(a_wanted_model()).uid, new_uid()
    process = driver("process")
    process.abandon(kept)
    process.abandon(lost)
    delete_old_runs()
    assert kept in process.run_uids()
    assert lost not in process.run_uids()
