"""Images that are being pulled, shown without a reload."""

import pytest
from playwright.sync_api import expect

from common import clock
from tests.browser.conftest import assert_fits

PAGE = "/admin/runtimes/node/engines/"
IMAGE = "registry.example/a-rather-long-name-of-a-team/vllm:1"
PULLS = "from runtimes.models import ImagePull\n"


def say(site, **fields):
    site.python(f"{PULLS}ImagePull.objects.update(**{fields!r})")


@pytest.fixture
def row(site, page):
    """Of an image of which a part is here."""
    part = {"layers": 4, "layers_done": 1, "total": 1000, "done": 250}
    place = {"driver": "docker", "key": "vllm", "image": IMAGE, "state": "running"}
    # As if its process were at work all along
    part |= {"heartbeat": clock.uptime() + 3600, "boot_id": clock.boot_id()}
    site.python(f"{PULLS}ImagePull.objects.create(**{(place | part)!r})")
    page.goto(PAGE)
    yield page.locator("tr[data-image=vllm]")
    site.python(f"{PULLS}ImagePull.objects.all().delete()")


def test_progress_moves_until_the_pull_is_over(site, row):
    expect(row).to_contain_text("1 of 4 layers")
    bar = row.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "25")
    say(site, layers_done=3, done=900)
    expect(bar).to_have_attribute("aria-valuenow", "90", timeout=10_000)
    expect(row).to_contain_text("3 of 4 layers")
    say(site, state="failed", code="pull_interrupted")
    expect(bar).to_have_count(0, timeout=10_000)


def test_pull_is_cancelled_by_a_click(row):
    row.get_by_role("button", name="Cancel").click()
    expect(row.get_by_role("progressbar")).to_have_count(0)


def test_worker_carries_a_pull(site, page):
    site.python(
        "from runtimes.installations import pulls\npulls.submit('docker', 'vllm')"
    )
    [pull] = site.until(lambda: over(site))
    assert pull["code"] in ("docker_unavailable", "pull_failed")
    page.goto("/admin/models_app/activity/")
    expect(
        page.get_by_text("The pull of the image llmplatform-vllm failed.")
    ).to_be_visible()
    site.python(f"{PULLS}ImagePull.objects.all().delete()")


def over(site):
    return site.rows("select code from runtimes_imagepull where state = 'failed'")


def test_page_fits_its_width(page, row):
    expect(row).to_contain_text(IMAGE)
    # Where engines are has no end that is sure to fit.
    page.evaluate("document.querySelector('.pf-card > p').append('x'.repeat(100))")
    assert_fits(page)
