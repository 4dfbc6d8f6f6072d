import csv
import io
import json
import re
import time

import pytest
from playwright.sync_api import expect

HISTORY = "/admin/monitoring/source/history/"
CHARTS = "#charts .uplot"


@pytest.fixture(scope="module")
def measured(site):
    """Ten minutes of the machine, with a hole in the middle."""
    now = int(time.time()) // 10 * 10
    holes = range(now - 400, now - 200)
    site.python(
        "from monitoring.models import Bucket10s, Source\n"
        "source, _ = Source.objects.get_or_create(kind='host', key='here', defaults="
        "{'name': 'here', 'first_seen': 0, 'last_seen': 9**10})\n"
        "source.first_seen = 0  # the monitor may have been the first\n"
        "source.metrics = sorted({*source.metrics, 'cpu_utilization', 'memory_used'})\n"
        "source.save()\n"
        'value = \'{"cpu_utilization":[1,9,50,10],"memory_used":[1,9,50,10]}\'\n'
        "Bucket10s.objects.bulk_create("
        "Bucket10s(source=source, start=at, writer='test', values=value, touched=0)"
        f" for at in range({now - 600}, {now}, 10) if at not in {holes!r})"
    )
    return holes


def answers(page, url):
    """What the API answers to the page on its way there."""
    with page.expect_response(re.compile("/api/monitoring/metrics")) as caught:
        page.goto(url)
    return caught.value.json()


def test_hole_in_what_was_measured_is_a_gap(page, measured):
    answer = answers(page, f"{HISTORY}?metric=cpu_utilization&range=1h")
    expect(page.locator(CHARTS)).to_have_count(1)
    [series] = answer["series"]
    found = dict(zip(answer["times"], series["values"], strict=True))
    assert all(found[at] is None for at in found if at in measured)
    assert sum(value is not None for value in found.values()) > 20


def test_units_have_charts_of_their_own(page, measured):
    page.goto(f"{HISTORY}?metric=cpu_utilization&metric=memory_used&range=1h")
    expect(page.locator(CHARTS)).to_have_count(2)
    page.get_by_label("Memory used", exact=True).uncheck()
    expect(page.locator(CHARTS)).to_have_count(1)
    assert "memory_used" not in page.url


def test_dragging_zooms_in_and_back(page, measured):
    page.goto(f"{HISTORY}?metric=cpu_utilization&range=1h")
    box = page.locator(f"{CHARTS} .u-over").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.99, middle, steps=5)
    page.wait_for_function("document.querySelector('.u-select').offsetWidth > 100")
    page.mouse.up()
    expect(page.locator("[data-zoom-out]")).to_be_visible()
    assert "start_time=" in page.url
    expect(page.locator(CHARTS)).to_have_count(1)
    page.locator("[data-zoom-out]").click()
    assert "range=1h" in page.url
    expect(page.locator("[data-zoom-out]")).to_be_hidden()


@pytest.mark.parametrize("format", ["csv", "json", "xlsx"])
def test_export_downloads_what_is_shown(page, measured, tmp_path, format):
    page.goto(f"{HISTORY}?metric=cpu_utilization&range=1h")
    with page.expect_download() as caught:
        page.locator(f"[data-export={format}]").click()
    path = tmp_path / f"export.{format}"
    caught.value.save_as(path)
    assert caught.value.suggested_filename.endswith(f".{format}")
    if format == "csv":
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
        assert any("cpu_utilization" in row for row in rows)
        assert len(rows) > 20
    elif format == "json":
        assert "cpu_utilization" in json.dumps(json.loads(path.read_text()))
    else:
        assert path.read_bytes().startswith(b"PK")


def test_range_without_anything_says_so(page, measured):
    page.goto(
        f"{HISTORY}?metric=cpu_utilization&start_time=2001-01-01&end_time=2001-01-02"
    )
    expect(page.locator("[data-notice=empty]")).to_be_visible()
    expect(page.locator(CHARTS)).to_have_count(0)
