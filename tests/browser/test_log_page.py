"""The page of a log, of a real engine that is killed at last."""

import contextlib
import os
import re
import signal
import urllib.request

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, assert_fits

pytestmark = pytest.mark.engine

LINES = "[data-lines] > div"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> \x1b[31mERROR\x1b[0m"


@pytest.fixture(scope="module")
def run(site):
    """A live run: its row."""
    site.add("talker")
    site.request("start", "talker")
    [run] = site.until_status("talker", "running", seconds=60)
    yield run
    site.request("stop", "talker")
    site.until_status("talker", "stopped", seconds=60)
    site.python(
        "from models_app.models import ServedModel\n"
        "ServedModel.objects.get(name='talker').delete()"
    )


def url_of(run):
    return f"/admin/monitoring/source/logs/{run['model_id']}/?run={run['uid']}"


def say(site, run, text):
    """As if the engine had said it."""
    log = site.data_dir / "runs" / run["uid"] / "engine.log"
    with log.open("ab") as file:
        file.write(text.encode())


@pytest.fixture
def opened(page, run):
    page.goto(url_of(run))
    expect(page.locator("[data-status]")).to_have_text("Live", timeout=10_000)
    return page


def test_lines_appear_within_a_second_and_as_text(site, run, opened):
    expect(opened.locator(LINES).first).to_contain_text("xllamacpp_server")
    say(site, run, f"{HOSTILE}\nWARNING beware\nhalf a li")
    output = HOSTILE.replace("\x1b[31m", "").replace("\x1b[0m", "")
    line = opened.locator(LINES, has_text="ERROR")
    expect(line).to_have_text(output, timeout=1500)
    expect(line).to_have_class(re.compile("pf-error"))
    expect(opened.locator(LINES, has_text="beware")).to_have_class(
        re.compile("pf-warning")
    )
    expect(opened.locator(LINES).last).to_have_text("half a li")
    say(site, run, "ne\n")
    expect(opened.locator(LINES).last).to_have_text("half a line", timeout=1500)
    assert opened.title() != "owned"


def test_search_marks_steps_and_filters(site, run, opened):
    say(site, run, "needle one\nhay\nNeedle two\nhay\n")
    expect(opened.locator(LINES).last).to_have_text("hay", timeout=1500)
    opened.fill("[data-search]", "needle")
    expect(opened.locator("[data-matches]")).to_have_text("2 of 2")
    expect(opened.locator("mark")).to_have_text(["needle", "Needle"])
    opened.press("[data-search]", "Enter")
    expect(opened.locator("[data-matches]")).to_have_text("1 of 2")
    expect(opened.locator(".pf-current")).to_have_text("needle one")
    opened.check("[data-only]")
    expect(opened.locator(f"{LINES}:visible")).to_have_text(
        ["needle one", "Needle two"]
    )
    say(site, run, "a needle more\n")
    expect(opened.locator(f"{LINES}:visible")).to_have_count(3, timeout=1500)


def test_page_keeps_still_while_it_is_paused(site, run, opened):
    opened.click("[data-pause]")
    count = opened.locator(LINES).count()
    say(site, run, "while paused\n" * 3)
    status = opened.locator("[data-status]")
    expect(status).to_have_text("Paused: 3 new lines", timeout=1500)
    assert opened.locator(LINES).count() == count
    expect(opened.locator("[data-pause]")).to_have_text("Resume")
    opened.click("[data-pause]")
    expect(status).to_have_text("Live")
    expect(opened.locator(LINES, has_text="while paused")).to_have_count(3)


def test_page_holds_only_the_newest_lines(site, run, opened):
    say(site, run, "".join(f"line {number}\n" for number in range(30_000)))
    expect(opened.locator(LINES).last).to_have_text("line 29999", timeout=10_000)
    assert opened.locator(LINES).count() <= 5000
    opened.fill("[data-search]", "line 777")
    opened.click("[data-search-all]")
    status = opened.locator("[data-status]")
    expect(status).to_contain_text("11 lines contain “line 777”")
    expect(opened.locator(LINES).first).to_have_text("line 777")


def test_reading_back_is_left_alone(site, run, opened):
    say(site, run, "x\n" * 200)
    box = opened.locator("[data-lines]")
    expect(opened.locator(LINES).last).to_have_text("x", timeout=1500)
    box.evaluate("box => { box.scrollTop = 0; }")
    expect(opened.locator("[data-auto-scroll]")).not_to_be_checked()
    say(site, run, "news\n")
    expect(opened.locator(LINES).last).to_have_text("news", timeout=1500)
    assert box.evaluate("box => box.scrollTop") == 0
    opened.check("[data-auto-scroll]")
    assert box.evaluate("box => box.scrollTop") > 0


def test_lines_appear_once_after_the_server_comes_back(site, run, opened):
    say(site, run, "before the fall\n")
    before = opened.locator(LINES, has_text="before the fall")
    expect(before).to_have_count(1, timeout=1500)
    site.kill("web")
    status = opened.locator("[data-status]")
    expect(status).to_contain_text("Disconnected", timeout=5000)
    say(site, run, "while it was down\n")
    site.serve()
    expect(status).to_have_text("Live", timeout=30_000)
    during = opened.locator(LINES, has_text="while it was down")
    expect(during).to_have_count(1, timeout=3000)
    expect(before).to_have_count(1)


def test_download_is_the_whole_log(run, opened):
    with opened.expect_download() as downloading:
        opened.click("[data-download]")
    assert downloading.value.suggested_filename == f"talker-0-{run['uid'][:8]}.log"
    assert "xllamacpp_server: ready" in downloading.value.path().read_text()


def test_page_fits_its_width(page, run):
    page.set_viewport_size(PHONE)
    page.goto(url_of(run))
    expect(page.locator("[data-status]")).to_have_text("Live", timeout=10_000)
    assert_fits(page)


def test_last_lines_are_there_without_a_socket(site, run, page):
    say(site, run, "said before\n")
    page.route_web_socket("**/ws/**", lambda socket: socket.close())
    page.goto(url_of(run))
    expect(page.locator(LINES, has_text="said before")).to_be_visible()
    expect(page.locator("[data-status]")).to_contain_text("Disconnected")


def test_killed_engine_ends_the_page_with_reason_and_advice(site, run, opened):
    for pid in site.engines():
        if site.claim(run["uid"])["engine_pid"] == pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    reason = opened.locator("[data-reason=killed]")
    expect(reason).to_contain_text("killed by another process", timeout=8000)
    expect(reason).to_contain_text("journalctl")
    expect(opened.locator("[data-status]")).to_contain_text("ended", timeout=5000)
    site.until(lambda: len(site.runs("talker")) == 2, seconds=60)
    expect(opened.get_by_text("A newer run exists")).to_be_visible(timeout=8000)


def test_follow_streams_from_a_real_server(site, run, page):
    page.goto("/admin/")
    cookies = "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())
    path = f"/api/models/talker/logs?run={run['uid']}&follow=true&tail=1"
    requests = urllib.request.Request(f"{site.url}{path}", headers={"Cookie": cookies})
    with urllib.request.urlopen(requests, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert "--- The engine was killed by another process." in answer.read().decode()
