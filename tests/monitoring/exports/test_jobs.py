import csv
import io
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient
from django.utils import timezone

from monitoring.enums import ExportState
from monitoring.exports import formats, jobs
from monitoring.exports.times import iso
from monitoring.models import ExportJob
from tests.api import client_of
from tests.builders import a_token, a_user
from tests.monitoring.exports.data import END, START, a_history, answered, asked

pytestmark = pytest.mark.django_db

EXPORTS = "/api/monitoring/exports"
PARTS = {"start_time": iso(START), "end_time": iso(END)}


def client(user=None):
    return client_of(user or a_user("viewer"))


def ask(api, format="csv", **words):
    chosen = {"format": format, **PARTS, **words}
    return api.post(EXPORTS, query_params=chosen)


def a_job(user, **fields) -> ExportJob:
    words = {"start_time": iso(START), "end_time": iso(END), "metric": ["gpu_power"]}
    made = jobs.ask(user, "csv", words)
    ExportJob.objects.filter(pk=made.pk).update(**fields)
    made.refresh_from_db()
    return made


def files() -> set[str]:
    return {path.name for path in formats.folder().iterdir()}


@pytest.mark.parametrize("format", formats.FORMATS)
def test_job_is_written_and_told(format):
    a_history()
    api = client()
    asked_for = ask(api, format, metric="gpu_power")
    assert asked_for.status_code == 202
    told = asked_for.json()
    assert (told["state"], told["progress"], told["file"]) == ("waiting", 0, None)
    assert told["rows_expected"] == 48
    jobs.write_next()
    told = api.get(f"{EXPORTS}/{told['uid']}").json()
    assert (told["state"], told["progress"], told["rows"]) == ("done", 1, 48)
    assert (
        told["size_bytes"]
        == (formats.folder() / f"{told['uid']}.{format}").stat().st_size
    )
    assert told["file"] == f"{EXPORTS}/{told['uid']}/file"
    assert [job["uid"] for job in api.get(EXPORTS).json()] == [told["uid"]]


@pytest.mark.django_db(transaction=True)
def test_file_is_fetched():
    a_history()
    user = a_user("viewer")
    job = a_job(user)
    jobs.write_next()
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
    assert len(lines) == len(answered(asked(metrics=["gpu_power"])))


def test_only_its_requester_and_administrators_see_it():
    owner = a_user("viewer")
    job = a_job(owner)
    jobs.write_next()
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
    jobs.write_next()
    assert ask(api).status_code == 202


@pytest.mark.parametrize("state", ["waiting", "running", "failed"])
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
    jobs.write_next()
    job.refresh_from_db()
    left = job.expires_at - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    past = timezone.now() - timedelta(seconds=1)
    ExportJob.objects.update(expires_at=past)
    assert client(user).get(f"{EXPORTS}/{job.uid}/file").status_code == 404
    jobs.prune()
    assert not ExportJob.objects.exists()
    assert not [name for name in files() if name.startswith(job.uid)]


def test_words_of_a_range_are_fixed_when_asked():
    api = client()
    ask(api, range="1h", start_time="", end_time="")
    words = ExportJob.objects.get().words
    assert set(words) == {"start_time", "end_time"}


def test_one_is_written_at_a_time():
    user = a_user("viewer")
    first = a_job(user, state=ExportState.RUNNING, beat_at=timezone.now(), attempts=1)
    second = a_job(user)
    jobs.write_next()
    assert ExportJob.objects.get(pk=second.pk).state == "waiting"
    ExportJob.objects.filter(pk=first.pk).update(state=ExportState.DONE)
    jobs.write_next()
    assert ExportJob.objects.get(pk=second.pk).state == "done"


def test_one_whose_process_was_killed_is_begun_again():
    long_ago = timezone.now() - jobs.SILENT - timedelta(seconds=1)
    killed = a_job(
        a_user("viewer"), state=ExportState.RUNNING, beat_at=long_ago, attempts=1
    )
    jobs.write_next()
    killed.refresh_from_db()
    assert (killed.state, killed.attempts) == ("done", 2)


def test_one_that_always_kills_its_process_fails():
    long_ago = timezone.now() - jobs.SILENT - timedelta(seconds=1)
    fields = {"state": ExportState.RUNNING, "beat_at": long_ago}
    deadly = a_job(a_user("viewer"), attempts=jobs.MAX_ATTEMPTS, **fields)
    jobs.write_next()
    deadly.refresh_from_db()
    assert deadly.state == "failed"


def test_full_disk_fails_the_job_and_leaves_nothing(settings, tmp_path):
    user = a_user("viewer")
    job = a_job(user)
    settings.DATA_DIR = tmp_path
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / f"{job.uid}.1.part").mkdir()  # nothing can be written there
    jobs.write_next()
    job.refresh_from_db()
    assert job.state == "failed"


def test_one_that_is_deleted_meanwhile_leaves_no_file():
    a_history()
    job = a_job(a_user("viewer"))
    ExportJob.objects.filter(pk=job.pk).update(state=ExportState.RUNNING, attempts=1)
    job.refresh_from_db()
    ExportJob.objects.all().delete()
    jobs._write(job)
    assert not [name for name in files() if name.startswith(job.uid)]


def test_silent_one_is_nudged_when_looked_at(django_capture_on_commit_callbacks):
    long_ago = timezone.now() - jobs.SILENT - timedelta(seconds=1)
    user = a_user("viewer")
    job = a_job(user)
    with django_capture_on_commit_callbacks() as fresh:
        jobs.revive(job)
    ExportJob.objects.update(created_at=long_ago)
    job.refresh_from_db()
    with django_capture_on_commit_callbacks() as silent:
        jobs.revive(job)
    assert (len(fresh), len(silent)) == (0, 1)


def test_jobs_go_with_their_user():
    a_job(a_user("viewer"))
    User.objects.all().delete()
    assert not ExportJob.objects.exists()


def test_a_job_that_another_process_took_meanwhile_is_not_taken():
    job = ExportJob.objects.create(
        requested_by=a_user("viewer"), format="csv", words={}, file_name="f.csv",
        rows_expected=1,
    )  # fmt: skip
    rival = ExportJob.objects.get()
    assert jobs._take(rival)
    assert not jobs._take(job)
    stored = ExportJob.objects.get()
    assert (stored.state, stored.attempts) == ("running", 1)
