"""Pulls of images as people ask for them, done by a real Docker daemon."""

from datetime import timedelta

import pytest
from django.utils import timezone

from common import job_runner, jobs
from common.exceptions import AlreadyExists, Conflict, Invalid
from common.models import JobState
from models_app.models import Activity
from runtimes.drivers.base import DriverError
from runtimes.installations import pulls
from runtimes.models import ImagePull
from runtimes.registry import driver
from tests.builders import a_user
from tests.models_app.people import client_as
from tests.runtimes.drivers.registry import serving

pytestmark = pytest.mark.django_db

PAGE = "/admin/runtimes/node/engines/"
NOBODY = "127.0.0.1:9/team/engine:1"
KIND = pulls.Pulls()


@pytest.fixture
def at(settings, tmp_path):
    """Names an image and the daemon that is to fetch it."""

    def named(image, url=f"unix://{tmp_path}/none"):
        driver.cache_clear()
        options = {"url": url, "images": {"vllm": image}}
        settings.DRIVER_OPTIONS = {**settings.DRIVER_OPTIONS, "docker": options}

    yield named
    driver.cache_clear()


def activity_codes():
    return [activity.code for activity in Activity.objects.order_by("pk")]


def carried(pull):
    job_runner.work(KIND, beats=False)
    pull.refresh_from_db()
    return pull


def test_requested_image_is_pulled(at, dockerd):
    with serving("team/asked", [500_000, 1000]) as registry:
        at(registry.image, dockerd.url)
        pull = carried(pulls.submit("docker", "vllm", a_user("operator")))
    assert (pull.state, pull.layers, pull.layers_done) == ("done", 2, 2)
    assert pull.total == pull.done > 500_000
    assert driver("docker").image("vllm").startswith(registry.image)
    assert activity_codes() == ["image_asked", "image_done"]
    assert carried(pull).state == "done"


def test_pull_that_fails_says_why(at, dockerd):
    at(NOBODY, dockerd.url)
    pull = carried(pulls.submit("docker", "vllm"))
    assert pull.state == JobState.FAILED
    assert "connection refused" in pull.reason["message"]
    assert activity_codes() == ["image_asked", "image_failed"]
    assert pulls.submit("docker", "vllm").state == JobState.QUEUED


def test_unavailable_daemon_fails_the_pull(at):
    at(NOBODY)
    pull = carried(pulls.submit("docker", "vllm"))
    assert (pull.state, pull.code) == (JobState.FAILED, "docker_unavailable")


def test_one_pull_at_a_time(at):
    at(NOBODY)
    pulls.submit("docker", "vllm")
    with pytest.raises(AlreadyExists) as refused:
        pulls.submit("docker", "vllm")
    assert refused.value.problems[0].code == "pull_exists"


@pytest.mark.parametrize(("runs_on", "key"), [("docker", "x"), ("process", "vllm")])
def test_image_that_nobody_named_is_refused(at, runs_on, key):
    at(NOBODY)
    with pytest.raises(Invalid) as refused:
        pulls.submit(runs_on, key)
    assert refused.value.problems[0].code == "no_such_image"


def test_cancelled_pull_is_not_begun(at):
    at(NOBODY)
    pull = pulls.submit("docker", "vllm")
    jobs.cancel(pull)
    assert carried(pull).state == JobState.CANCELLED
    with pytest.raises(Conflict, match="already ended"):
        jobs.cancel(pull)
    assert activity_codes() == ["image_asked", "image_cancelled"]


def test_pull_ends_when_it_is_cancelled(at, dockerd):
    with serving("team/cancelled", [1000, 1000]) as registry:
        registry.sends.clear()
        at(registry.image, dockerd.url)
        pulls.submit("docker", "vllm")
        pull = job_runner.claim(KIND)
        ImagePull.objects.update(state=JobState.CANCELLED)
        with pytest.raises(jobs.JobLost):
            KIND.run(pull)
    with pytest.raises(DriverError, match="image_missing"):
        driver("docker").image("vllm")


def test_pull_whose_process_was_killed_is_claimed_again(at):
    at(NOBODY)
    lost = pulls.submit("docker", "vllm")
    assert job_runner.claim(KIND) == lost
    assert not jobs.is_due()
    ImagePull.objects.update(heartbeat=0)
    assert jobs.is_due()
    assert carried(lost).code == "docker_unavailable"


def test_pull_that_always_kills_its_process_fails(at):
    at(NOBODY)
    lost = pulls.submit("docker", "vllm")
    killed = {"state": JobState.RUNNING, "heartbeat": 0, "attempts": KIND.max_attempts}
    ImagePull.objects.update(**killed)
    assert (carried(lost).state, lost.code) == (JobState.FAILED, "pull_interrupted")


def test_old_pulls_are_forgotten(at):
    at(NOBODY)
    jobs.cancel(pulls.submit("docker", "vllm"))
    jobs.cleanup()
    assert ImagePull.objects.count() == 1
    long_ago = timezone.now() - timedelta(days=31)
    ImagePull.objects.update(created_at=long_ago, finished_at=long_ago)
    jobs.cleanup()
    assert ImagePull.objects.count() == 0


def test_page_offers_to_pull_and_shows_how_far_it_is(at, dockerd):
    at(NOBODY, dockerd.url)
    page = client_as("operator")
    assert ">Pull</button>" in page.get(PAGE).content.decode()
    request = {"driver": "docker", "framework": "vllm"}
    assert page.post(f"{PAGE}pull/", request).status_code == 302
    pull = ImagePull.objects.get()
    figures = {"layers": 4, "layers_done": 1, "total": 8 * 2**20, "done": 2**21}
    ImagePull.objects.update(state=JobState.RUNNING, **figures)
    shown = page.get(PAGE).content.decode()
    assert "1 of 4 layers, 2.0\xa0MB of 8.0\xa0MB" in shown
    assert 'aria-valuenow="25"' in shown
    page.post(f"{PAGE}pull/{pull.uid}/cancel/")
    pull.refresh_from_db()
    assert pull.state == JobState.CANCELLED


def test_page_shows_why_the_last_pull_failed(at, dockerd):
    at(NOBODY, dockerd.url)
    carried(pulls.submit("docker", "vllm"))
    assert "could not be pulled" in client_as("viewer").get(PAGE).content.decode()


def test_page_refuses_what_cannot_be(at):
    at(NOBODY)
    page = client_as("operator")
    page.post(f"{PAGE}pull/", {"driver": "docker", "framework": "other"})
    assert "No image is configured for other" in page.get(PAGE).content.decode()
    assert page.post(f"{PAGE}pull/", {"driver": "none"}).status_code == 302
    assert page.post(f"{PAGE}pull/none/cancel/").status_code == 404
    nul = page.post(f"{PAGE}pull/%00/cancel/", follow=True)
    assert nul.redirect_chain[-1] == ("/admin/", 302)
    assert page.get(f"{PAGE}pull/").status_code == 405


@pytest.mark.parametrize("role", ["viewer", "outsider"])
def test_only_who_may_add_models_may_pull(at, role):
    at(NOBODY)
    page = client_as(role)
    request = {"driver": "docker", "framework": "vllm"}
    assert page.post(f"{PAGE}pull/", request).status_code == 403
    pull = pulls.submit("docker", "vllm")
    assert page.post(f"{PAGE}pull/{pull.uid}/cancel/").status_code == 403
