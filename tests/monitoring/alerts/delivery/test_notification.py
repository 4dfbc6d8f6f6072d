"""What messages say; how they are sent is tested beside each channel."""

import json

import pytest
from django.utils import timezone, translation

from monitoring.alerts.delivery.apprise_url import level
from monitoring.alerts.delivery.notification import Notification
from tests.monitoring.alerts.delivery.builders import a_channel, a_delivery, an_alert

pytestmark = pytest.mark.django_db


def a_notification(*events, language="en", **fields):
    """events: (event, severity) of one alert each."""
    alerts = [
        an_alert(source_key=f"{n}", severity=severity, **fields)
        for n, (_, severity) in enumerate(events)
    ]
    delivery = a_delivery(a_channel())
    delivery.alerts = [
        {"uid": alert.uid, "event": event}
        for alert, (event, _) in zip(alerts, events, strict=True)
    ]
    with translation.override(language):
        notification = Notification(delivery)
        return notification, notification.title


TITLES = [
    ([("firing", "warning")], "[Warning] Hot: 0 H100", "[警告] Hot: 0 H100", "warning"),
    (
        [("resolved", "critical")],
        "[Resolved] Hot: 0 H100",
        "[已恢复] Hot: 0 H100",
        "success",
    ),
    (
        [("firing", "info"), ("firing", "critical")],
        "[Critical] Alerts: 2 firing",
        "[严重] 告警：2 条触发中",
        "failure",
    ),
    (
        [("firing", "info"), ("resolved", "critical"), ("resolved", "info")],
        "[Info] Alerts: 1 firing, 2 resolved",
        "[提示] 告警：1 条触发中，2 条已恢复",
        "info",
    ),
    (
        [("resolved", "info"), ("resolved", "info")],
        "Alerts: 2 resolved",
        "告警：2 条已恢复",
        "success",
    ),
]


@pytest.mark.parametrize(("events", "english", "chinese", "kind"), TITLES)
def test_title(events, english, chinese, kind):
    assert a_notification(*events)[1] == english
    assert a_notification(*events, language="zh-hans")[1] == chinese
    assert level(a_notification(*events)[0]) == kind


def test_title_is_one_short_line():
    _, title = a_notification(("firing", "info"), source_name="a\r\nb\x00" + 250 * "c")
    assert "a bc" in title
    assert title.isprintable()
    assert len(title) <= 150


def test_alert_that_ended_before_its_message_was_sent_says_so():
    notification, _ = a_notification(
        ("firing", "info"), state="resolved", ended_at=timezone.now()
    )
    [line] = notification.lines
    assert "resolved at" in line.times
    assert notification.as_json()["data"]["alerts"][0]["state"] == "resolved"


def test_alert_without_a_row_or_a_value_is_no_error():
    notification, _ = a_notification(("firing", "info"), value=None, fired_at=None)
    assert json.dumps(notification.as_json())
    gone = a_delivery(a_channel())
    gone.alerts = [{"uid": "gone", "event": "firing"}]
    notification = Notification(gone)
    assert notification.title == "[Info] Alerts: 1 firing"
    assert notification.lines == []
    assert json.dumps(notification.as_json())


@pytest.mark.parametrize(
    ("url", "expected"),
    [("", ""), ("https://llm.example.com", "https://llm.example.com/admin/")],
)
def test_link(settings, url, expected):
    settings.PUBLIC_URL = url
    assert a_notification()[0].link.startswith(expected)
    assert bool(a_notification()[0].link) is bool(expected)
