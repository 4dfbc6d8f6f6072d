"""The page of jobs: who sees and changes which of them."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common import jobs
from monitoring.models import ExportJob
from runtimes.models import Download, ImagePull
from tests.builders import a_user
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

PAGE = "/admin/models_app/activity/jobs/"


@pytest.fixture
def owner():
    return a_user("viewer", name="owner", is_staff=True)


@pytest.fixture
def each(owner):
    """One job of each kind."""
    made = [
        ExportJob(format="csv", file_name="metrics.csv"),
        Download(hub="huggingface", repo="own/tiny", root="/models", folder="tiny"),
        ImagePull(driver="docker", key="vllm", image="team/vllm:1"),
    ]
    return {jobs.kind_of(job).name: jobs.submit(job, owner) for job in made}


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def change(client, job, verb):
    url = reverse(
        "admin:models_app_job_change", args=[jobs.kind_of(job).name, job.uid, verb]
    )
    return client.post(url)


# What each role sees of the jobs of somebody else, and may cancel
EVERY = {"export", "download", "image_pull"}
SEES = {
    "viewer": ({"download", "image_pull"}, set()),
    "operator": ({"download", "image_pull"}, {"download", "image_pull"}),
    "admin": (
        {"export", "download", "image_pull"},
        {"export", "download", "image_pull"},
    ),
}


@pytest.mark.parametrize("role", SEES)
def test_roles_see_and_change_jobs_of_others(each, role):
    visible, changeable = SEES[role]
    client = client_as(role)
    html = client.get(PAGE).content.decode()
    assert {name for name, job in each.items() if job.uid in html} == visible
    for name, job in each.items():
        url = reverse("admin:models_app_job_change", args=[name, job.uid, "cancel"])
        assert (url in html) == (name in changeable)
        status = 302 if name in changeable else 403 if name in visible else 404
        assert client.post(url).status_code == status
        job.refresh_from_db()
        assert job.state == ("cancelled" if name in changeable else "queued")


def test_owner_cancels_and_retries_an_export(each, owner):
    client, job = signed_in(owner), each["export"]
    assert str(job) in client.get(PAGE).content.decode()
    for verb, state in [("cancel", "cancelled"), ("retry", "queued")]:
        assert change(client, job, verb).url == PAGE
        job.refresh_from_db()
        assert job.state == state


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"export", "download", "image_pull"}),
        ({"kind": "download"}, {"download"}),
        ({"state": "queued"}, {"export"}),
        ({"state": "running"}, {"download"}),
        ({"state": "failed", "kind": "image_pull"}, {"image_pull"}),
        ({"kind": "other"}, set()),
        ({"state": "other"}, {"export", "download", "image_pull"}),
    ],
)
def test_jobs_are_filtered_by_kind_and_state(each, query, shown):
    Download.objects.update(state="verifying")
    ImagePull.objects.update(state="failed")
    html = client_as("admin").get(PAGE, query).content.decode()
    assert {name for name, job in each.items() if job.uid in html} == shown


def test_row_shows_progress_reason_and_next_attempt(each):
    Download.objects.update(state="running", started_at=timezone.now(), done=1, total=4)
    ImagePull.objects.update(state="failed", code="pull_interrupted")
    html = client_as("admin").get(PAGE).content.decode()
    assert 'aria-valuenow="25"' in html
    assert each["image_pull"].__class__.objects.get().reason["message"] in html
    Download.objects.update(state="queued", code="hub_error", retry_at=timezone.now())
    assert "next attempt at" in client_as("superuser").get(PAGE).content.decode()


def test_job_that_is_over_is_left_alone(each, owner):
    ExportJob.objects.update(state="done")
    answer = change(signed_in(owner), each["export"], "cancel")
    page = signed_in(owner).get(answer.url)
    assert ExportJob.objects.get().state == "done"
    assert page.status_code == 200


@pytest.mark.parametrize(
    "path", ["other/x/cancel/", "export/x/cancel/", "export/{}/x/"]
)
def test_unknown_jobs_and_verbs_are_not_found(each, path):
    url = PAGE + path.format(each["export"].uid)
    assert client_as("admin").post(url).status_code == 404


def test_retry_of_a_download_whose_folder_is_taken_is_refused(each):
    client = client_as("operator")
    first = jobs.cancel(each["download"])
    jobs.submit(
        Download(hub="huggingface", repo="own/tiny", root="/models", folder="tiny")
    )
    page = client.get(change(client, first, "retry").url).content.decode()
    assert "/models/tiny" in page
    assert Download.objects.get(pk=first.pk).state == "cancelled"


@pytest.mark.parametrize("count", [1, 3])
def test_page_takes_a_fixed_number_of_queries(django_assert_num_queries, count):
    client = client_as("admin")
    for n in range(count):
        jobs.submit(ExportJob(format="csv", file_name=f"{n}.csv"))
    client.get(PAGE)
    with django_assert_num_queries(8):
        client.get(PAGE)


def test_page_is_in_chinese(each):
    html = client_as("admin").get(PAGE, headers={"accept-language": "zh-hans"})
    text = html.content.decode()
    assert "任务" in text and "镜像拉取" in text


def test_only_its_own_link_is_active(each):
    html = client_as("admin").get(PAGE).content.decode()
    active = re.findall(r'<a href="([^"]+)"[^>]*class="[^"]*\bactive\b', html)
    assert active == [PAGE]
