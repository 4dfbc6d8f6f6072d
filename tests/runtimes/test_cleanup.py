import json
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import Task
from taggit.models import Tag

from common import clock
from common.models import new_uid
from models_app.enums import RunState
from models_app.models import Activity, ApiToken, Run
from runtimes.cleanup import clean_up
from runtimes.models import Gpu, Node
from runtimes.registry import driver
from scheduling.models import Allocation
from tests.builders import a_node, a_run, a_token, a_user, a_wanted_model

pytestmark = pytest.mark.django_db
MANY = 1000


def test_cleanup_keeps_the_newest_runs_of_each_model(settings):
    settings.KEPT_RUNS = 2
    for name in ("one", "two"):
        model = a_wanted_model(name)
        kept = [a_run(model, RunState.ENDED) for _ in range(4)][-2:]
        clean_up()
        assert list(model.runs.order_by("pk")) == kept


def test_cleanup_never_deletes_a_live_run(settings):
    settings.KEPT_RUNS = 1
    model = a_wanted_model()
    live = a_run(model, RunState.READY)
    a_run(model, RunState.ENDED)
    a_run(model, RunState.ENDED)
    clean_up()
    assert Run.objects.filter(pk=live.pk).exists()
    assert model.runs.ended().count() == 1


def test_cleanup_deletes_old_activity(settings):
    settings.ACTIVITY_DAYS = 10
    old, new = (Activity.objects.create(code="start_requested") for _ in range(2))
    Activity.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=11))
    clean_up()
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
    clean_up()
    assert ApiToken.objects.exists() is kept
    assert Activity.objects.filter(code="token_deleted").exists() is not kept


@pytest.mark.parametrize("days", [31, 400])
def test_cleanup_deletes_nothing_when_the_clock_jumped(clock_jumped, settings, days):
    settings.EXPIRED_TOKEN_DAYS = settings.ACTIVITY_DAYS = 1
    a_token_expired(days - 1)
    event = Activity.objects.create(code="start_requested")
    Activity.objects.update(at=timezone.now() - timedelta(days=days - 1))
    clock_jumped(days)
    clean_up()
    assert ApiToken.objects.exists()
    assert list(Activity.objects.all()) == [event]


def test_cleanup_deletes_files_of_runs_without_a_row():
    kept, lost = a_run(a_wanted_model()).uid, new_uid()
    process = driver("process")
    process.abandon(kept)
    process.abandon(lost)
    clean_up()
    assert kept in process.run_uids()
    assert lost not in process.run_uids()


def test_cleanup_deletes_old_entries_of_the_admin_log(settings):
    settings.ACTIVITY_DAYS = 10
    boss = a_user("admin")
    for days in (9, 11):
        LogEntry.objects.create(
            user=boss, action_flag=1, action_time=timezone.now() - timedelta(days=days)
        )
    clean_up()
    kept = LogEntry.objects.get()
    assert kept.action_time > timezone.now() - timedelta(days=10)


LONG_AGO = timezone.now() - timedelta(days=1000)


def many_runs() -> None:
    model = a_wanted_model()
    runs = Run.objects.bulk_create(
        Run(
            model=model, generation=0, state=RunState.ENDED, end_code="crashed",
            ended_at=LONG_AGO, cpu_cores=1, memory_mib=1, node="here",
        )
        for _ in range(MANY)
    )  # fmt: skip
    gpu = a_node(gpus=[24_000]).gpus.get()
    Allocation.objects.bulk_create(Allocation(run=r, gpu=gpu, mib=1) for r in runs)
    Activity.objects.bulk_create(Activity(code="run_ready", run=r) for r in runs)


def many_events() -> None:
    Activity.objects.bulk_create(Activity(code="run_ready") for _ in range(MANY))
    Activity.objects.update(at=LONG_AGO)


def many_tokens() -> None:
    user = a_user("viewer")
    ApiToken.objects.bulk_create(
        ApiToken(user=user, name=str(n), digest=f"{n:0128}", expiry=LONG_AGO)
        for n in range(MANY)
    )


def many_admin_log_entries() -> None:
    boss = a_user("admin")
    LogEntry.objects.bulk_create(
        LogEntry(user=boss, action_flag=1, action_time=LONG_AGO) for _ in range(MANY)
    )


def many_sessions() -> None:
    Session.objects.bulk_create(
        Session(session_key=str(n), expire_date=LONG_AGO) for n in range(MANY)
    )


def many_sign_in_attempts() -> None:
    AccessAttempt.objects.bulk_create(
        AccessAttempt(username=str(n), failures_since_start=1) for n in range(MANY)
    )
    AccessAttempt.objects.update(attempt_time=LONG_AGO)


def many_tags() -> None:
    Tag.objects.bulk_create(Tag(name=str(n), slug=str(n)) for n in range(MANY))


def many_machines() -> None:
    nodes = Node.objects.bulk_create(
        Node(name=str(n), cpu_cores=1, memory_mib=1, boot_id="", seen_at=LONG_AGO)
        for n in range(MANY)
    )
    Gpu.objects.bulk_create(
        Gpu(node=node, uuid=node.name, index=0, name="fake", memory_mib=1)
        for node in nodes
    )


# Where old rows of each table go; one without a line here would grow for ever.
RETENTION = {
    "the hourly clean-up": (
        "admin.LogEntry axes.AccessAttempt django_q.Task models_app.Activity"
        " models_app.ApiToken models_app.Run runtimes.Gpu runtimes.Node"
        " sessions.Session taggit.Tag"
    ),
    "common.jobs.cleanup": (
        "monitoring.Delivery monitoring.ExportJob runtimes.Download runtimes.ImagePull"
    ),
    "scheduling.tasks.cleanup": "scheduling.Decision",
    "monitoring.tasks.prune": (
        "monitoring.Alert monitoring.Bucket10s monitoring.Bucket1m monitoring.Bucket1h"
        " monitoring.Source monitoring.Total monitoring.UsageRecord"
        " monitoring.Watermark"
    ),
    "they go with their run, model, alias, user, group or rule": (
        "monitoring.AlertReadMark monitoring.AlertRule_channels"
        " auth.Group_permissions auth.User_groups auth.User_user_permissions"
        " models_app.AliasTarget models_app.ApiToken_allowed_models models_app.Approval"
        " scheduling.Allocation taggit.TaggedItem"
    ),
    "people create and delete them": (
        "auth.Group auth.User models_app.Limit models_app.ModelAlias"
        " models_app.ServedModel monitoring.AlertRule"
        " monitoring.NotificationChannel"
    ),
    "as many as the code has": (
        "auth.Permission common.AppliedMigration contenttypes.ContentType"
    ),
    "nothing is written": (
        "axes.AccessAttemptExpiration axes.AccessFailureLog axes.AccessLog"
        " django_q.OrmQ django_q.Schedule"
    ),
}


def test_every_table_has_a_retention():
    known = [label for labels in RETENTION.values() for label in labels.split()]
    models = apps.get_models(include_auto_created=True)
    assert sorted(known) == sorted(m._meta.label for m in models if not m._meta.proxy)


@pytest.mark.parametrize(
    ("make", "model"),
    [
        (many_runs, Run),
        (many_events, Activity),
        (many_tokens, ApiToken),
        (many_admin_log_entries, LogEntry),
        (many_sessions, Session),
        (many_sign_in_attempts, AccessAttempt),
        (many_tags, Tag),
        (many_machines, Node),
    ],
)
def test_cleanup_of_many_rows_takes_few_queries(
    make, model, settings, django_assert_max_num_queries
):
    settings.KEPT_RUNS = 0
    make()
    with django_assert_max_num_queries(MANY // 10):  # in batches
        clean_up()
    assert not model.objects.exists()


def test_cleanup_keeps_sessions_and_attempts_that_count():
    now = timezone.now()
    valid = Session.objects.create(
        session_key="valid", expire_date=now + timedelta(days=1)
    )
    AccessAttempt.objects.create(username="ann", failures_since_start=1)
    clean_up()
    assert list(Session.objects.all()) == [valid]
    assert AccessAttempt.objects.exists()


def test_cleanup_keeps_machines_that_were_seen_or_have_runs():
    for name in ("gone", "busy"):
        a_node(name, gpus=[1], seen_at=LONG_AGO)
    a_node("here")
    a_run(a_wanted_model(), RunState.READY, node="busy")
    clean_up()
    assert set(Node.objects.values_list("name", flat=True)) == {"busy", "here"}
    assert [gpu.node.name for gpu in Gpu.objects.all()] == ["busy"]


def test_cleanup_keeps_a_hundred_absent_gpus_and_those_in_use():
    node = a_node(gpus=[24_000])
    gpus = Gpu.objects.bulk_create(
        Gpu(node=node, uuid=f"MIG-{n}", index=n, name="", memory_mib=1, present=False)
        for n in range(1000)
    )
    a_run(a_wanted_model(), RunState.READY, gpu_uuids=[gpus[0].uuid])
    clean_up()
    assert Gpu.objects.filter(present=False).count() == 101
    assert Gpu.objects.filter(pk__in=[gpus[0].pk, gpus[-1].pk]).count() == 2
    assert Gpu.objects.filter(present=True).count() == 1


@pytest.fixture
def cached(settings, tmp_path):
    """Makes a file that an engine has cached, last used so many days ago."""
    home = tmp_path / "engine-home"
    settings.ENGINE_ISOLATION = {**settings.ENGINE_ISOLATION, "home": home}

    def make(name: str, days: int) -> Path:
        path = home / "1000" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        at = time.time() - days * 86400
        os.utime(path, (at, at))
        return path

    return make


def test_cleanup_deletes_what_engines_have_not_used_for_months(cached, tmp_path):
    kept, lost = cached(".cache/new", 89), cached(".cache/deep/old", 91)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    theirs = elsewhere / "file"
    theirs.touch()
    os.utime(theirs, (0, 0))
    (kept.parent / "link").symlink_to(elsewhere)
    (kept.parent / "empty").mkdir()
    os.utime(kept.parent / "empty", (0, 0))
    clean_up()
    assert not (kept.parent / "empty").exists()
    assert (kept.exists(), lost.exists(), theirs.exists()) == (True, False, True)


def test_cleanup_keeps_what_a_live_run_may_have_cached(cached):
    run = a_run(a_wanted_model(), RunState.READY)
    began = timezone.now() - timedelta(days=200)
    Run.objects.filter(pk=run.pk).update(created_at=began)
    kept, lost = cached("since", 199), cached("before", 201)
    clean_up()
    assert (kept.exists(), lost.exists()) == (True, False)


def test_cleanup_deletes_folders_of_many_deleted_runs(django_assert_max_num_queries):
    process = driver("process")
    lost = {new_uid() for _ in range(MANY // 2)}
    for uid in lost:
        process.abandon(uid)
    with django_assert_max_num_queries(50):
        clean_up()
    assert not lost & set(process.run_uids())


def test_cleanup_keeps_a_thousand_failed_tasks():
    now = timezone.now()
    Task.objects.bulk_create(
        Task(
            id=str(n), name=str(n), func="tick", success=False,
            started=now + timedelta(seconds=n), stopped=now,
        )
        for n in range(10_000)
    )  # fmt: skip
    clean_up()
    assert Task.objects.count() == 1000
    assert Task.objects.filter(id="9999").exists()


def test_cleanup_deletes_tags_of_no_model():
    model = a_wanted_model()
    model.tags.set(["kept", "lost"])
    model.tags.set(["kept"])
    clean_up()
    assert [tag.name for tag in Tag.objects.all()] == ["kept"]
