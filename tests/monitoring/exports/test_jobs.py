import csv
import io
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient
from django.utils import timezone

from common import clock, job_runner, jobs
from common.models import SILENT_S, JobState
from monitoring.exports import formats
from monitoring.exports.jobs import KIND, path_of, submit
from monitoring.exports.times import iso
from monitoring.models import ExportJob
from tests.api import client_of
from tests.builders import a_token, a_user
from tests.monitoring.exports.data import END, START, a_history, a_query, answered

pytestmark = pytest.mark.django_db

EXPORTS = "/api/monitoring/exports"
PARTS = {"start_time": iso(START), "end_time": iso(END)}


def client(user=None):
    return client_of(user or a_user("viewer"))


def ask(api, format="csv", **texts):
    chosen = {"format": format, **PARTS, **texts}
    return api.post(EXPORTS, query_params=chosen)


def a_job(user, **fields) -> ExportJob:
    texts = {"start_time": iso(START), "end_time": iso(END), "metric": ["gpu_power"]}
    made = submit(user, "csv", texts)
    ExportJob.objects.filter(pk=made.pk).update(**fields)
    made.refresh_from_db()
    return made


def beating() -> dict:
    return {"heartbeat": clock.uptime(), "boot_id": clock.boot_id()}


def silent() -> dict:
    return {**beating(), "heartbeat": clock.uptime() - SILENT_S - 1}


def files() -> set[str]:
    return {path.name for path in formats.folder().iterdir()}


@pytest.mark.parametrize("format", formats.FORMATS)
def test_export_is_written_and_reported(format):
    a_history()
    api = client()
    asked_for = ask(api, format, metric="gpu_power")
    assert asked_for.status_code == 202
    body = asked_for.json()
    assert (body["state"], body["progress"], body["file"]) == ("queued", 0, None)
    assert body["rows_expected"] == 48
    job_runner.work(KIND, beats=False)
    body = api.get(f"{EXPORTS}/{body['uid']}").json()
    assert (body["state"], body["progress"], body["rows"]) == ("done", 1, 48)
    assert (
        body["size_bytes"]
        == (formats.folder() / f"{body['uid']}.{format}").stat().st_size
    )
    assert body["file"] == f"{EXPORTS}/{body['uid']}/file"
    assert [job["uid"] for job in api.get(EXPORTS).json()] == [body["uid"]]


@pytest.mark.django_db(transaction=True)
def test_file_is_fetched():
    a_history()
    user = a_user("viewer")
    job = a_job(user)
    job_runner.work(KIND, beats=False)
    token = a_token(user)

    async def fetch():
        headers = {"Authorization": f"Bearer {token}"}
        answer = await AsyncClient().get(f"{EXPORTS}/{job.uid}/file", headers=headers)
        data = b"".join([chunk async for chunk in answer.streaming_content])
        answer.close()
        return answer, data

    answer, data = async_to_sync(fetch)()
    assert int(answer["Content-Length"]) == len(data)
    assert job.file_name in answer["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert len(lines) == len(answered(a_query(metrics=["gpu_power"])))


def test_only_its_requester_and_administrators_see_it():
    owner = a_user("viewer")
    job = a_job(owner)
    job_runner.work(KIND, beats=False)
    for path in (f"{EXPORTS}/{job.uid}", f"{EXPORTS}/{job.uid}/file"):
        assert client(a_user("operator", name=path)).get(path).status_code == 404
    stranger = client(a_user("viewer", name="stranger"))
    assert stranger.get(EXPORTS).json() == []
    assert stranger.delete(f"{EXPORTS}/{job.uid}").status_code == 404
    chief = client(a_user("admin"))
    assert len(chief.get(EXPORTS).json()) == 1
    assert chief.delete(f"{EXPORTS}/{job.uid}").status_code == 204
    assert not [name for name in files() if name.startswith(job.uid)]


def test_third_at_once_is_refused():
    api = client()
    assert [ask(api).status_code for _ in range(3)] == [202, 202, 429]
    job_runner.work(KIND, beats=False)
    assert ask(api).status_code == 202


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_there_is_no_file_before_it_is_done(state):
    user = a_user("viewer")
    job = a_job(user, state=state)
    answer = client(user).get(f"{EXPORTS}/{job.uid}/file")
    assert answer.status_code == 404
    assert answer.json()["message"] == (
        f"The file of export {job.uid} is not ready yet or has been deleted."
    )


def test_file_is_over_after_a_day():
    user = a_user("viewer")
    job = a_job(user)
    job_runner.work(KIND, beats=False)
    job.refresh_from_db()
    left = job.expires_at - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    past = timezone.now() - timedelta(seconds=1)
    ExportJob.objects.update(expires_at=past)
    assert client(user).get(f"{EXPORTS}/{job.uid}/file").status_code == 404
    jobs.cleanup()
    assert not ExportJob.objects.exists()
    assert not [name for name in files() if name.startswith(job.uid)]


def test_thousands_of_files_are_removed_with_their_jobs():
    past = timezone.now() - timedelta(seconds=1)
    made = ExportJob.objects.bulk_create(
        ExportJob(format="csv", file_name="f.csv", state="done", expires_at=past)
        for _ in range(2000)
    )
    before = files()
    for job in made:
        path_of(job).touch()
    jobs.cleanup()
    assert files() == before


def test_relative_range_is_fixed_at_the_request():
    api = client()
    ask(api, range="1h", start_time="", end_time="")
    request = ExportJob.objects.get().request
    assert set(request) == {"start_time", "end_time"}


def test_one_is_written_at_a_time():
    user = a_user("viewer")
    first = a_job(user, state=JobState.RUNNING, attempts=1, **beating())
    second = a_job(user)
    job_runner.work(KIND, beats=False)
    assert ExportJob.objects.get(pk=second.pk).state == "queued"
    ExportJob.objects.filter(pk=first.pk).update(state=JobState.DONE)
    job_runner.work(KIND, beats=False)
    assert ExportJob.objects.get(pk=second.pk).state == "done"


def test_one_whose_process_was_killed_is_begun_again():
    killed = a_job(a_user("viewer"), state=JobState.RUNNING, attempts=1, **silent())
    job_runner.work(KIND, beats=False)
    killed.refresh_from_db()
    assert (killed.state, killed.attempts) == ("done", 2)


def test_one_that_always_kills_its_process_fails():
    fields = {"state": JobState.RUNNING, **silent()}
    deadly = a_job(a_user("viewer"), attempts=KIND.max_attempts, **fields)
    job_runner.work(KIND, beats=False)
    deadly.refresh_from_db()
    assert (deadly.state, deadly.code) == ("failed", "export_interrupted")


def test_full_disk_fails_the_job_and_leaves_nothing(settings, tmp_path):
    user = a_user("viewer")
    job = a_job(user)
    settings.DATA_DIR = tmp_path
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / f"{job.uid}.1.part").mkdir()  # nothing can be written there
    job_runner.work(KIND, beats=False)
    job.refresh_from_db()
    assert (job.state, job.code) == ("failed", "export_unwritable")
    body = client(user).get(f"{EXPORTS}/{job.uid}").json()
    assert body["reason"]["message"].startswith("The file could not be written: ")


def test_one_that_is_deleted_meanwhile_leaves_no_file():
    a_history()
    job = a_job(a_user("viewer"))
    ExportJob.objects.filter(pk=job.pk).update(state=JobState.RUNNING, attempts=1)
    job.refresh_from_db()
    ExportJob.objects.all().delete()
    job_runner.run(KIND, job)
    assert not [name for name in files() if name.startswith(job.uid)]


def test_one_without_a_process_is_due_though_nobody_looks_at_it():
    a_job(a_user("viewer"), state=JobState.RUNNING, attempts=1, **beating())
    assert not jobs.is_due()
    ExportJob.objects.update(**silent())
    assert jobs.is_due()


def test_jobs_go_with_their_user():
    a_job(a_user("viewer"))
    User.objects.all().delete()
    assert not ExportJob.objects.exists()


def test_a_job_that_another_process_took_meanwhile_is_not_taken():
    job = ExportJob.objects.create(
        created_by=a_user("viewer"), format="csv", file_name="f.csv", total=1,
    )  # fmt: skip
    rival = ExportJob.objects.get()
    assert job_runner.take(KIND, rival)
    assert not job_runner.take(KIND, job)
    stored = ExportJob.objects.get()
    assert (stored.state, stored.attempts) == ("running", 1)
