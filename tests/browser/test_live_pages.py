import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, assert_fits

pytestmark = pytest.mark.engine

CPU = "[data-chart=cpu] .u-legend .u-series:nth-child(2) .u-value"
NOTICE = "[data-interrupted]"


def tile(page, status):
    return page.locator(f"a[href$='status__exact={status}'] strong")


def test_charts_move_within_three_seconds_of_loading(page):
    page.goto("/admin/")
    value = page.locator(CPU)
    expect(value).to_have_text(re.compile(r"\d%"), timeout=3000)
    before = page.locator("[data-chart=cpu] .u-legend .u-value").all_text_contents()
    expect(page.locator("[data-chart=cpu] .u-legend .u-value").first).not_to_have_text(
        before[0], timeout=3000
    )
    expect(page.locator(NOTICE)).to_be_hidden()


def test_machine_without_gpu_says_so(page):
    page.goto("/admin/monitoring/source/gpus/")
    expect(page.locator("[data-no-gpu]")).to_have_text("No GPU found")


def test_tile_counts_a_model_that_starts(site, page):
    site.add("smol")
    page.goto("/admin/")
    expect(tile(page, "running")).to_have_text("0")
    loaded = page.evaluate("performance.timeOrigin")
    site.request("start", "smol")
    expect(tile(page, "running")).to_have_text("1", timeout=60_000)
    assert page.evaluate("performance.timeOrigin") == loaded
    page.goto("/admin/monitoring/source/models/")
    requests = page.locator("[data-chart=requests] .u-legend .u-label")
    expect(requests.last).to_have_text("smol", timeout=5000)
    site.request("stop", "smol")
    site.until_status("smol", "stopped", seconds=60)


def test_killed_monitor_interrupts_and_its_return_resumes(site, page):
    page.goto("/admin/")
    expect(page.locator(CPU)).to_have_text(re.compile(r"\d%"), timeout=5000)
    site.kill("monitor")
    expect(page.locator(NOTICE)).to_be_visible(timeout=9000)
    site.start("monitor")
    expect(page.locator(NOTICE)).to_be_hidden(timeout=20_000)


@pytest.mark.parametrize("name", ["gpus", "models", "history"])
def test_pages_fit_their_width(page, name):
    page.set_viewport_size(PHONE)
    page.goto(f"/admin/monitoring/source/{name}/")
    page.locator(".uplot, [data-export]").first.wait_for()
    assert_fits(page)


SHRINK = """async () => {
    const { Chart } = await import("/static/js/charts.js");
    const element = document.body.appendChild(document.createElement("div"));
    const chart = new Chart(element, { zone: "UTC", unit: "percent" });
    for (const times of [[1, 2, 3], [1]]) {
        chart.show(times, [{ label: "a", values: times }], [0, 4]);
        await new Promise(requestAnimationFrame);
    }
    return element.querySelector(".u-value").textContent;
}"""


def test_legend_follows_data_that_become_fewer(page):
    page.goto("/admin/")
    assert "1/1/70" in page.evaluate(SHRINK)
