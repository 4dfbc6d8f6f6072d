"""The bell, toasts and the pages of alerts."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, assert_fits

pytestmark = pytest.mark.engine

LIST = "/admin/monitoring/alert/"
RULES = "/admin/monitoring/alertrule/"
ALERTS = """
from datetime import timedelta
from django.utils import timezone
from monitoring.alerts.models import Alert, AlertRule
"""
UNREAD = "[data-unread]"
MEASURED = """
select 1 from monitoring_bucket10s where source_id in
(select id from monitoring_source where kind = 'host')
"""


def fire(site, key, **fields):
    """As the evaluator does: an alert that the next message of the topic names."""
    values = {
        "rule_name": "GPU temperature above 80 °C", "preset": "gpu_temperature",
        "metric": "gpu_temperature", "aggregate": "avg", "comparison": ">",
        "threshold": 80, "severity": "warning", "source_kind": "gpu",
        "source_key": key, "source_name": key, "state": "firing", "value": 84,
        "peak": 84, "web": True, **fields,
    }  # fmt: skip
    # A rule of its own that no series belongs to: the evaluator leaves it alone.
    site.python(
        f"{ALERTS}now = timezone.now()\n"
        f"rule = AlertRule.objects.get(preset='gpu_temperature')\n"
        f"Alert.objects.create(rule=rule, started_at=now, fired_at=now,"
        f" evaluated_at=now, **{values!r})"
    )


@pytest.fixture(autouse=True)
def no_alerts(site):
    yield
    site.python(f"{ALERTS}Alert.objects.all().delete()")


def test_bell_rises_without_a_reload_and_a_toast_appears(site, page):
    page.goto(LIST)  # everything older is read
    page.goto("/admin/models_app/servedmodel/")
    expect(page.locator("[data-bell]")).to_be_visible()
    expect(page.locator(UNREAD)).to_be_hidden()
    loaded = page.evaluate("performance.timeOrigin")
    page.wait_for_timeout(1500)  # the first message is no news
    fire(site, "GPU-a")
    expect(page.locator(UNREAD)).to_have_text("1", timeout=15_000)
    toast = page.locator("[data-toasts] .pf-toast")
    expect(toast).to_contain_text("GPU temperature of GPU-a is 84 °C")
    fire(site, "GPU-b", severity="critical")
    expect(page.locator(UNREAD)).to_have_text("2", timeout=15_000)
    expect(toast).to_have_count(2)
    assert page.evaluate("performance.timeOrigin") == loaded
    toast.first.get_by_role("button").click()
    expect(toast).to_have_count(1)
    page.locator("[data-bell]").click()
    page.wait_for_url(f"**{LIST}")
    expect(page.locator(UNREAD)).to_be_hidden(timeout=10_000)


def test_alert_is_acknowledged_and_silenced(site, page):
    fire(site, "GPU-a")
    page.goto(LIST)
    row = page.locator("[data-alert]")
    expect(row).to_contain_text("GPU temperature above 80 °C")
    row.get_by_role("button", name="Acknowledge").click()
    expect(row).to_contain_text("acknowledged by root")
    expect(row.get_by_role("button", name="Acknowledge")).to_have_count(0)
    row.get_by_role("button", name="Silence for 1 h").click()
    expect(row).to_contain_text("silenced until")
    row.get_by_role("button", name="End silence").click()
    expect(row.get_by_role("button", name="Silence for 1 h")).to_be_visible()


def test_page_shows_new_alerts_by_itself(site, page):
    page.goto(LIST)
    expect(page.locator("[data-live=active-alerts]")).to_contain_text(
        "Nothing is firing."
    )
    fire(site, "GPU-a")
    expect(page.locator("[data-alert]")).to_be_visible(timeout=15_000)
    page.goto("/admin/")
    expect(page.locator("[data-live=alerts] [data-alert]")).to_be_visible()


def test_pages_are_in_chinese(site, browser, signed_in):
    fire(site, "GPU-a")
    context = browser.new_context(
        base_url=site.url, storage_state=signed_in, locale="zh-CN"
    )
    page = context.new_page()
    page.goto("/admin/models_app/servedmodel/")
    page.wait_for_timeout(1500)
    fire(site, "GPU-b")
    toast = page.locator("[data-toasts] .pf-toast", has_text="GPU-b")
    expect(toast).to_contain_text("GPU温度超过80°C", timeout=15_000)
    page.goto(LIST)
    expect(page.locator("[data-alert]").first).to_contain_text("GPU温度超过80°C")
    page.locator("[data-alert]").first.get_by_role("button", name="确认").click()
    expect(page.locator("[data-alert]").first).to_contain_text("由 root 确认")
    page.goto(RULES)
    expect(page.locator("#result_list")).to_contain_text("任一GPU的GPU温度高于 80 °C")
    context.close()


def open_rule(site, page, preset):
    done = site.python(f"{ALERTS}print(AlertRule.objects.get(preset={preset!r}).pk)")
    page.goto(f"{RULES}{done.strip().splitlines()[-1]}/change/")


def test_rule_editor_offers_what_fits_and_tests_the_rule(site, page):
    open_rule(site, page, "disk_space")
    aggregate = page.locator("#id_aggregate")
    page.locator("#id_metric").select_option("cpu_utilization")
    aggregate.select_option("max")
    page.locator("#id_metric").select_option("response_time")
    expect(aggregate).to_have_value("p95")
    expect(page.locator("#id_aggregate option[value=min]")).to_be_disabled()
    page.locator("#id_metric").select_option("memory_used")
    page.locator("#id_comparison").select_option(">")
    page.locator("#id_threshold").fill("0")
    page.locator("#id_clear_threshold").fill("")
    page.locator("#id_for_s").select_option("0")
    part = page.locator("[data-backtest]")
    part.locator("[data-days]").select_option("1")
    # Once there is history of this machine
    site.until(lambda: site.rows(MEASURED), seconds=60)
    part.get_by_role("button").click()
    result = part.locator("[data-result]")
    expect(result).to_have_text(
        re.compile("In the last 1 day this rule would have fired"), timeout=15_000
    )
    expect(part.locator(".uplot")).to_be_visible()
    expect(part.locator(".pf-mark-time").first).to_be_attached()
    page.locator("#id_threshold").fill("")
    part.get_by_role("button").click()
    expect(result).to_contain_text("threshold")


def test_history_marks_alerts(site, page):
    site.until(lambda: site.rows("select 1 from monitoring_source where kind = 'host'"))
    [host] = site.rows("select key, name from monitoring_source where kind = 'host'")
    fire(site, host["key"], source_kind="host", metric="cpu_utilization", preset="",
         source_name=host["name"], rule_name="Busy")  # fmt: skip
    page.goto("/admin/monitoring/source/history/?metric=cpu_utilization&range=1h")
    mark = page.locator(".pf-mark-time")
    expect(mark).to_have_attribute("title", re.compile("Busy"), timeout=15_000)


@pytest.mark.parametrize(
    "path",
    [LIST, RULES, f"{RULES}add/", "/admin/monitoring/notificationchannel/add/",
     "/admin/monitoring/delivery/"],
)  # fmt: skip
def test_pages_fit_their_width(site, page, path):
    fire(site, "GPU-with-a-rather-long-name-00000000000000000000000000000")
    page.set_viewport_size(PHONE)
    page.goto(path)
    page.locator("[data-bell]").wait_for()
    assert_fits(page)


CHANNELS = "/admin/monitoring/notificationchannel/"


def test_channel_is_made_and_its_test_shows_what_came_of_it(site, page):
    page.goto(f"{CHANNELS}add/")
    page.fill("#id_name", "duty")
    expect(page.locator("#id_recipients")).to_be_hidden()
    page.locator("#id_kind").select_option("mail")
    page.fill("#id_recipients", "duty@example.org")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#result_list").get_by_role("link", name="duty").click()
    page.get_by_role("button", name="Send a test message").click()
    shown = page.locator("[data-delivery=failed]")
    expect(shown).to_contain_text("No mail server is configured", timeout=30_000)


def test_secret_of_a_webhook_is_shown_once(site, page):
    page.goto(f"{CHANNELS}add/")
    page.fill("#id_name", "receiver")
    page.locator("#id_kind").select_option("webhook")
    page.fill("#id_url", "https://example.org/hook")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#secret")).to_have_value(re.compile("^whsec_"))
    page.get_by_role("link", name="To the channel").click()
    expect(page.locator("#id_url")).to_have_value("https://example.org/hook")
    assert "whsec_" not in page.content()
