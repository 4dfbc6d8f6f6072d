"""The runner, with real kinds of jobs; what each kind does is tested beside it."""

import threading
import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from common import clock, job_runner, jobs
from common.exceptions import Conflict
from common.models import SILENT_S, JobState
from monitoring.exports.jobs import Exports
from monitoring.models import ExportJob
from runtimes.downloads.jobs import Downloads
from runtimes.installations.pulls import Pulls
from runtimes.models import Download, ImagePull

pytestmark = pytest.mark.django_db


class Recording(Exports):
    """An export that does what the test says instead of writing a file."""

    def __init__(self, do=lambda job: None):
        self.do = do
        self.discarded = []

    def run(self, job):
        self.do(job)

    def discard(self, job):
        self.discarded.append(job.uid)


def a_job(**fields) -> ExportJob:
    job = jobs.submit(ExportJob(format="csv", file_name="f.csv"))
    ExportJob.objects.filter(pk=job.pk).update(**fields)
    job.refresh_from_db()
    return job


def fresh(job):
    job.refresh_from_db()
    return job


def raising(error):
    def run(job):
        raise error

    return Recording(run)


KINDS = {
    Exports: lambda n: ExportJob(format="csv", file_name=f"{n}.csv"),
    Downloads: lambda n: Download(hub="huggingface", repo="a/b", folder=f"f{n}"),
    Pulls: lambda n: ImagePull(driver="docker", key="vllm", image=f"i{n}"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_runs_as_many_at_once_as_it_says(kind):
    made = [jobs.submit(KINDS[kind](n)) for n in range(kind.parallel + 1)]
    claimed = [job_runner.claim(kind()) for _ in made]
    assert claimed == [*made[:-1], None]
    assert {job.state for job in claimed[:-1]} == {"running"}
    assert not jobs.is_due()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_recovers_a_job_without_heartbeat_by_the_same_rule(kind):
    job = jobs.submit(KINDS[kind](0))
    first = job_runner.claim(kind())
    assert first.started_at
    kind.model.objects.update(heartbeat=clock.uptime() - SILENT_S - 1)
    second = job_runner.claim(kind())
    assert (second, second.attempts) == (job, 2)
    assert second.claim != first.claim
    assert second.started_at == first.started_at
    with pytest.raises(jobs.JobLost):
        job_runner.report(first)


def test_heartbeats_of_an_earlier_boot_do_not_count():
    job = a_job(state="running", heartbeat=clock.uptime(), boot_id="earlier")
    assert job.is_silent
    assert job_runner.claim(Recording()) == job


def test_done_job_keeps_its_result():
    kind = Recording(lambda job: job_runner.report(job, done=5))
    job = a_job()
    job_runner.work(kind, beats=False)
    assert (fresh(job).state, job.done, job.progress) == ("done", 5, 1.0)
    assert job.finished_at and job.heartbeat is None
    assert kind.discarded == []


def test_expected_failure_is_shown_with_its_reason():
    job = a_job()
    failure = jobs.JobFailed("export_unwritable", {"detail": "no space"})
    job_runner.work(raising(failure), beats=False)
    assert (fresh(job).state, job.code) == ("failed", "export_unwritable")
    assert "no space" in job.reason["message"]


def test_unexpected_failure_fails_the_job_and_is_logged(caplog):
    job = a_job()
    job_runner.work(raising(ZeroDivisionError("oops")), beats=False)
    assert (fresh(job).state, job.code) == ("failed", "job_crashed")
    assert "oops" in caplog.text


def test_failure_that_may_pass_is_tried_again_with_growing_delays():
    job, delays = a_job(), []
    kind = raising(jobs.JobFailed("hub_error", retry=True))
    while fresh(job).state == "queued":
        job_runner.work(kind, beats=False)
        if fresh(job).state == "queued":
            assert not job.is_due
            assert job.retry_at > timezone.now()
            delays.append(round(job.retry_uptime - clock.uptime()))
            ExportJob.objects.update(retry_uptime=clock.uptime())
    assert (job.state, job.code, delays) == ("failed", "hub_error", [10, 20])


def test_delay_ends_with_a_restart_of_the_machine():
    later = clock.uptime() + 300
    assert not a_job(retry_uptime=later, boot_id=clock.boot_id()).is_due
    assert a_job(retry_uptime=later, boot_id="earlier").is_due


@pytest.mark.parametrize("change", [ExportJob.objects.all().delete, None])
def test_lost_job_is_not_written_to(change):
    def cancel(job):
        if change:
            change()
        else:
            jobs.cancel(job)
        job_runner.report(job, done=1)

    kind, job = Recording(cancel), a_job()
    job_runner.work(kind, beats=False)
    if change:
        assert kind.discarded == [job.uid]
    else:
        assert (fresh(job).state, job.done, kind.discarded) == ("cancelled", 0, [])


ALLOWED = {jobs.cancel: JobState.OPEN, jobs.retry: {"failed", "cancelled"}}


@pytest.mark.parametrize("verb", ALLOWED)
@pytest.mark.parametrize("state", JobState.values)
def test_verbs_by_state(verb, state):
    job = a_job(state=state)
    if state in ALLOWED[verb]:
        assert verb(job).state != state
    else:
        with pytest.raises(Conflict, match=r"f\.csv"):
            verb(job)
        assert fresh(job).state == state


def test_retried_job_starts_afresh():
    job = a_job(
        state="failed", code="job_crashed", attempts=3, finished_at=timezone.now()
    )
    job = jobs.retry(job)
    assert (job.state, job.code, job.attempts) == ("queued", "", 0)
    assert job.finished_at is None


def test_jobs_that_are_over_are_removed_in_time():
    old = timezone.now() - Exports.keep - timedelta(minutes=1)
    gone = [
        a_job(state="failed", finished_at=old),
        a_job(state="done", finished_at=timezone.now(), expires_at=old),
    ]
    kept = [a_job(created_at=old), a_job(state="done", finished_at=timezone.now())]
    jobs.cleanup()
    assert set(ExportJob.objects.all()) == set(kept)
    assert len(gone) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_old_jobs_are_removed_in_batches(
    kind, django_assert_max_num_queries
):
    old_jobs(kind, 1000)
    with django_assert_max_num_queries(100):
        jobs.cleanup()
    assert not kind.model.objects.exists()


def old_jobs(kind, count: int) -> list:
    old = timezone.now() - kind.keep - timedelta(minutes=1)
    made = [KINDS[kind](number) for number in range(count)]
    for job in made:
        job.state, job.finished_at = "failed", old
    return kind.model.objects.bulk_create(made)


def test_job_that_is_retried_during_cleanup_stays():
    *_, last = old_jobs(Exports, jobs.BATCH + 1)

    class Slow(Recording):
        def discard(self, job):
            if not self.discarded:
                jobs.retry(last)
            super().discard(job)

    kind = Slow()
    jobs.register(kind)
    try:
        jobs.cleanup()
    finally:
        jobs.register(Exports())
    assert [job.state for job in ExportJob.objects.all()] == ["queued"]
    assert len(kind.discarded) == jobs.BATCH


def test_submitter_is_the_owner(django_user_model):
    user = django_user_model.objects.create_user("ann")
    assert jobs.submit(KINDS[Downloads](0), user).created_by == user
    assert jobs.submit(KINDS[Downloads](1)).created_by is None
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_heartbeat_is_shown_while_the_work_is_silent():
    seen = []

    def run(job):
        ExportJob.objects.update(heartbeat=0)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not seen:
            time.sleep(0.05)
            seen.extend(ExportJob.objects.filter(heartbeat__gt=0))

    a_job()
    threads = threading.active_count()
    job_runner.work(Recording(run))
    assert seen
    assert threading.active_count() == threads
