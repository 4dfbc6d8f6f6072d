"""The page of jobs, kept up to date without a reload."""

import pytest
from playwright.sync_api import expect

from common import clock

PAGE = "/admin/models_app/activity/jobs/"
PULLS = "from runtimes.models import ImagePull\n"
IMAGE = "registry.example/a-rather-long-name-of-a-team/vllm:1"


def update(site, **fields):
    site.python(f"{PULLS}ImagePull.objects.update(**{fields!r})")


@pytest.fixture
def row(site, page):
    fields = {"driver": "docker", "key": "vllm", "image": IMAGE, "done": 1, "total": 4}
    # As if its process were at work all along
    fields |= {"heartbeat": clock.uptime() + 3600, "boot_id": clock.boot_id()}
    site.python(
        f"from django.utils import timezone\n{PULLS}"
        f"ImagePull.objects.create(state='running', started_at=timezone.now(),"
        f" **{fields!r})"
    )
    page.goto(PAGE)
    yield page.locator("tr[data-job]").filter(has_text=IMAGE)
    site.python(f"{PULLS}ImagePull.objects.all().delete()")


def test_progress_moves_and_a_failed_job_is_retried(site, page, row):
    bar = row.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "25")
    update(site, done=3)
    expect(bar).to_have_attribute("aria-valuenow", "75", timeout=10_000)
    update(site, state="failed", code="pull_interrupted")
    retry = row.get_by_role("button", name="Retry")
    expect(retry).to_be_visible(timeout=10_000)
    retry.click()
    page.wait_for_url(f"**{PAGE}")
    assert site.rows(
        "select state from runtimes_imagepull where state != 'failed'"
    ) or (
        site.rows("select code from runtimes_imagepull")[0]["code"]
        != "pull_interrupted"
    )


def test_page_fits_a_phone(page, row):
    page.set_viewport_size({"width": 390, "height": 800})
    expect(row).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
