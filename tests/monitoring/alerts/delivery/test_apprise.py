"""Apprise, in the process that keeps it within bounds, against a real receiver."""

import json
import time

import pytest

from common import job_runner
from monitoring.alerts.delivery import apprise_url
from monitoring.alerts.delivery.kind import KIND
from monitoring.alerts.delivery.network import Attempt, Failed, Policy
from monitoring.alerts.delivery.notification import Notification
from tests.monitoring.alerts.delivery.builders import a_channel, a_delivery, an_alert
from tests.monitoring.alerts.delivery.receiver import Receiver

pytestmark = pytest.mark.django_db


def url_of(receiver):
    return f"json://127.0.0.1:{receiver.port}/s3cr3t-t0ken"


def run(url, **fields):
    channel = a_channel("apprise", secret=url)
    delivery = a_delivery(channel, an_alert(), **fields)
    job_runner.take(KIND, delivery)
    delivery.refresh_from_db()
    job_runner.run(KIND, delivery)
    delivery.refresh_from_db()
    return delivery


def test_message(receiver):
    delivery = run(url_of(receiver))
    assert (delivery.state, delivery.code) == ("done", "")
    [request] = receiver.requests
    assert request.path == "/s3cr3t-t0ken"
    body = json.loads(request.body)
    assert body["title"] == "[Critical] Hot: 0 H100"
    assert "84 °C" in body["message"]
    assert body["type"] == "failure"


def test_failure_names_the_status_and_no_secret(receiver, caplog):
    receiver.status, receiver.body = 403, b"internal details"
    delivery = run(url_of(receiver))
    assert (delivery.state, delivery.code) == ("queued", "apprise_failed")
    assert delivery.response_status == 403
    assert "403" in delivery.reason["message"]
    shown = f"{delivery.reason} {caplog.text}"
    assert "internal" not in shown
    assert "s3cr3t" not in shown


def test_receiver_that_is_down():
    with Receiver() as receiver:
        pass
    delivery = run(url_of(receiver))
    assert (delivery.state, delivery.code) == ("queued", "apprise_failed")
    assert delivery.response_status is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433"])
def test_private_receiver_is_refused(receiver, settings, host):
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    delivery = run(url_of(receiver).replace("127.0.0.1", host))
    assert (delivery.state, delivery.code) == ("failed", "delivery_address_refused")
    assert receiver.requests == []


def test_mail_and_datagrams_of_apprise_are_checked_too(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    for url in (
        "mailto://user:password@example.com?smtp=127.0.0.1",
        "rsyslog://127.0.0.1",
    ):
        assert run(url).code == "delivery_address_refused"


def test_redirect_is_not_followed(receiver):
    with Receiver() as elsewhere:
        receiver.status, receiver.headers = 307, {"Location": elsewhere.url}
        delivery = run(url_of(receiver))
        assert elsewhere.requests == []
    assert (delivery.state, delivery.code) == ("queued", "apprise_failed")


@pytest.mark.parametrize("kind", ["slow", "endless"])
def test_slow_and_never_ending_responses_end_in_time(receiver, kind):
    if kind == "slow":
        receiver.raw, receiver.drip_s = 1000 * b"H", 0.1
    else:
        receiver.endless = True
    channel = a_channel("apprise", secret=url_of(receiver))
    notification = Notification(a_delivery(channel, an_alert()))
    began = time.monotonic()
    with pytest.raises(Failed) as failed, Attempt(Policy([]), 3.0) as attempt:
        apprise_url.send(channel, notification, attempt)
    assert failed.value.passing
    assert time.monotonic() - began < 15


def test_file_named_by_a_url_is_not_read(receiver, tmp_path):
    """Workflows of Teams read their template from there."""
    (tmp_path / "secret_key").write_text('{"text": "top secret"}')
    url = f"workflows://127.0.0.1:{receiver.port}/workflow/signature?verify=no"
    run(f"{url}&template={tmp_path / 'secret_key'}")
    assert all(b"top secret" not in request.body for request in receiver.requests)


def test_channel_without_url():
    assert run("").code == "channel_secret_missing"


@pytest.mark.parametrize(
    ("url", "is_known"),
    [
        ("slack://TokenA/TokenB/TokenC/#channel", True),
        ("feishu://" + 36 * "a", True),
        ("dingtalk://abcdef12345", True),
        ("wecombot://key", True),
        ("json://example.com", True),
        ("nothing://example.com", False),
        ("file:///etc/passwd", False),
        ("syslog://", False),
        ("DBUS://", False),
        ("slack://", False),
        ("", False),
        ("text", False),
    ],
)
def test_known_urls(url, is_known):
    assert apprise_url.is_known(url) is is_known
