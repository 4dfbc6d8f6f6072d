import json
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import Task
from taggit.models import Tag

from common import clock
from common.models import new_uid
from models_app.enums import RunState
from models_app.models import Activity, ApiToken, Run
from runtimes.cleanup import delete_old_runs
from runtimes.registry import driver
from tests.builders import a_run, a_token, a_user, a_wanted_model

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


@pytest.fixture
def clock_jumped(settings, tmp_path):
    """The retention clock was last written days ago, but no time has passed."""
    settings.DATA_DIR = tmp_path

    def jump(days: int) -> None:
        seen = timezone.now() - timedelta(days=days)
        stored = {"seen": seen.timestamp(), "uptime": clock.uptime()}
        stored["boot_id"] = clock.boot_id()
        (tmp_path / "retention_clock.json").write_text(json.dumps(stored))

    return jump


def a_token_expired(days_ago: int) -> ApiToken:
    a_token(a_user("viewer"))
    ApiToken.objects.update(expiry=timezone.now() - timedelta(days=days_ago))
    return ApiToken.objects.get()


@pytest.mark.parametrize(("days_ago", "kept"), [(1, True), (29, True), (31, False)])
def test_cleanup_deletes_tokens_long_expired_and_records_it(settings, days_ago, kept):
    settings.EXPIRED_TOKEN_DAYS = 30
    a_token_expired(days_ago)
    delete_old_runs()
    assert ApiToken.objects.exists() is kept
    assert Activity.objects.filter(code="token_deleted").exists() is not kept


@pytest.mark.parametrize("days", [31, 400])
def test_cleanup_deletes_nothing_when_the_clock_jumped(clock_jumped, settings, days):
    settings.EXPIRED_TOKEN_DAYS = settings.ACTIVITY_DAYS = 1
    a_token_expired(days - 1)
    event = Activity.objects.create(code="start_requested")
    Activity.objects.update(at=timezone.now() - timedelta(days=days - 1))
    clock_jumped(days)
    delete_old_runs()
    assert ApiToken.objects.exists()
    assert list(Activity.objects.all()) == [event]


def test_cleanup_deletes_files_of_runs_without_a_row():
    kept, lost = a_run(a_wanted_model()).uid, new_uid()
    process = driver("process")
    process.abandon(kept)
    process.abandon(lost)
    delete_old_runs()
    assert kept in process.run_uids()
    assert lost not in process.run_uids()


def test_cleanup_deletes_old_entries_of_the_admin_log(settings):
    settings.ACTIVITY_DAYS = 10
    boss = a_user("admin")
    for days in (9, 11):
        LogEntry.objects.create(
            user=boss, action_flag=1, action_time=timezone.now() - timedelta(days=days)
        )
    delete_old_runs()
    kept = LogEntry.objects.get()
    assert kept.action_time > timezone.now() - timedelta(days=10)


def test_cleanup_deletes_expired_sessions_at_size():
    now = timezone.now()
    Session.objects.bulk_create(
        Session(session_key=str(n), expire_date=now - timedelta(seconds=1))
        for n in range(10_000)
    )
    valid = Session.objects.create(
        session_key="valid", expire_date=now + timedelta(days=1)
    )
    delete_old_runs()
    assert list(Session.objects.all()) == [valid]


def test_cleanup_keeps_a_thousand_failed_tasks():
    now = timezone.now()
    Task.objects.bulk_create(
        Task(
            id=str(n), name=str(n), func="tick", success=False,
            started=now + timedelta(seconds=n), stopped=now,
        )
        for n in range(10_000)
    )  # fmt: skip
    delete_old_runs()
    assert Task.objects.count() == 1000
    assert Task.objects.filter(id="9999").exists()


def test_cleanup_deletes_tags_of_no_model():
    model = a_wanted_model()
    model.tags.set(["kept", "lost"])
    model.tags.set(["kept"])
    delete_old_runs()
    assert [tag.name for tag in Tag.objects.all()] == ["kept"]
