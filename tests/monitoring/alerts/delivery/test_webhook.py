"""Webhooks, received by a real server and verified with the standard's own library."""

import gzip
import json
import time
from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from common import job_runner
from models_app.models import Activity
from monitoring.alerts.delivery import webhook
from monitoring.alerts.delivery.channels import new_webhook_secret, rotate_secret
from monitoring.alerts.delivery.kind import KIND
from monitoring.alerts.delivery.network import Attempt, Failed, Policy
from monitoring.alerts.delivery.notification import Notification
from tests.monitoring.alerts.delivery.builders import a_delivery, a_webhook, an_alert
from tests.monitoring.alerts.delivery.receiver import Receiver, tls_context

pytestmark = pytest.mark.django_db


def send(receiver, seconds=15.0, **fields):
    """The status. Raises Failed."""
    delivery = a_delivery(a_webhook(receiver.url, **fields), an_alert())
    with Attempt(Policy(["127.0.0.0/8"]), seconds) as attempt:
        return webhook.send(delivery.channel, Notification(delivery), attempt)


def run(delivery):
    """One attempt, as the dispatcher makes it."""
    job_runner.take(KIND, delivery)
    delivery.refresh_from_db()
    job_runner.run(KIND, delivery)
    delivery.refresh_from_db()
    return delivery


def failure(receiver, **options) -> Failed:
    with pytest.raises(Failed) as failed:
        send(receiver, **options)
    return failed.value


def test_receiver_verifies_message_and_recognises_repetitions(receiver):
    channel = a_webhook(receiver.url)
    alert = an_alert(source_name="0 显卡")
    delivery = run(a_delivery(channel, alert))
    assert (delivery.state, delivery.response_status, delivery.code) == (
        "done",
        200,
        "",
    )
    channel.refresh_from_db()
    assert channel.last_sent_at is not None
    [request] = receiver.requests
    payload = Webhook(channel.secret).verify(request.body, request.headers)
    assert request.headers["webhook-id"] == delivery.uid
    assert request.headers["content-type"] == "application/json"
    assert payload["type"] == "alerts"
    data = payload["data"]
    assert (data["firing"], data["resolved"], data["omitted"]) == (1, 0, 0)
    assert data["title"] == "[Critical] Hot: 0 显卡"
    [shown] = data["alerts"]
    assert shown["uid"] == alert.uid
    assert shown["source"] == {"kind": "gpu", "key": "GPU-0", "name": "0 显卡"}
    assert (shown["event"], shown["value"], shown["threshold"]) == ("firing", 84, 80)
    assert "84 °C" in shown["text"]


def test_both_secrets_sign_during_a_rotation(receiver):
    channel = a_webhook(receiver.url)
    old = channel.secret
    new = rotate_secret(channel)
    run(a_delivery(channel, an_alert()))
    [request] = receiver.requests
    assert len(request.headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        assert Webhook(secret).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_webhook_secret()).verify(request.body, request.headers)


def test_old_secret_signs_no_longer_after_the_rotation(receiver):
    channel = a_webhook(receiver.url)
    rotate_secret(channel)
    channel.previous_secret_until = timezone.now() - timedelta(seconds=1)
    channel.save()
    run(a_delivery(channel, an_alert()))
    [request] = receiver.requests
    assert len(request.headers["webhook-signature"].split()) == 1
    assert Webhook(channel.secret).verify(request.body, request.headers)


def test_body_is_less_than_20_kb_whatever_alerts_hold(receiver):
    channel = a_webhook(receiver.url)
    alerts = [an_alert(source_name=255 * "显", source_key=f"{n}") for n in range(30)]
    run(a_delivery(channel, *alerts))
    [request] = receiver.requests
    assert len(request.body) < 20_000
    data = json.loads(request.body)["data"]
    assert data["firing"] == 30
    assert data["omitted"] == 30 - len(data["alerts"])
    assert data["alerts"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success(receiver, status):
    receiver.status = status
    assert send(receiver) == status


STATUSES = [
    (301, "webhook_redirected"),
    (302, "webhook_redirected"),
    (307, "webhook_redirected"),
    (304, "webhook_redirected"),
    (400, "webhook_status"),
    (404, "webhook_status"),
    (429, "webhook_status"),
    (500, "webhook_status"),
    (503, "webhook_status"),
    (600, "webhook_status"),
]


@pytest.mark.parametrize(("status", "code"), STATUSES)
def test_any_other_status_is_tried_again(receiver, status, code):
    receiver.status = status
    with Receiver() as elsewhere:
        receiver.headers = {"Location": elsewhere.url}
        receiver.body = b"internal details"
        delivery = run(a_delivery(a_webhook(receiver.url), an_alert()))
        assert elsewhere.requests == []
    assert (delivery.state, delivery.code) == ("queued", code)
    assert delivery.response_status == status
    assert str(status) in delivery.reason["message"] or 300 <= status < 400
    assert "internal" not in str(delivery.reason)


def later(seconds):
    return format_datetime(timezone.now() + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("status", "value", "low", "high"),
    [
        (429, "120", 120, 120),
        (502, "60", 60, 60),
        (503, "in 10 minutes", 300, 601),
        (504, "999999999", 36_000, 36_000),
        (503, "10 minutes ago", 0, 0),
        (503, "soon", 0, 0),
        (503, "-5", 0, 0),
        (500, "120", 0, 0),
        (429, None, 0, 0),
    ],
)
def test_retry_after(receiver, status, value, low, high):
    dates = {"in 10 minutes": later(600), "10 minutes ago": later(-600)}
    receiver.status = status
    receiver.headers = {"Retry-After": dates.get(value, value)} if value else {}
    assert low <= failure(receiver).wait_s <= high


def test_410_disables_the_channel(receiver):
    receiver.status = 410
    channel = a_webhook(receiver.url)
    delivery = run(a_delivery(channel, an_alert()))
    assert (delivery.state, delivery.code) == ("failed", "webhook_gone")
    channel.refresh_from_db()
    assert (channel.enabled, channel.disabled_code) == (False, "webhook_gone")
    event = Activity.objects.get(code="channel_disabled")
    assert event.params == {"channel": channel.name}
    assert event.reason_code == "webhook_gone"
    waiting = run(a_delivery(channel, an_alert()))
    assert (waiting.state, waiting.code) == ("failed", "channel_is_disabled")
    assert len(receiver.requests) == 1


def test_never_ending_body_is_not_read(receiver):
    receiver.endless = True
    began = time.monotonic()
    assert send(receiver) == 200
    assert time.monotonic() - began < 10
    assert receiver.sent_bytes < 100 * 2**20


def test_gzip_bomb_is_not_unpacked(receiver):
    receiver.headers = {"Content-Encoding": "gzip"}
    receiver.body = gzip.compress(bytes(50 * 2**20))
    assert send(receiver) == 200


ENDLESS_HEADERS = b"HTTP/1.1 200 OK\r\n" + 300 * b"A: b\r\n"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "webhook_not_http"),
        (b"HTTP/1.1 200 OK\r\nA: " + 70_000 * b"x", "webhook_not_http"),
        (ENDLESS_HEADERS, "webhook_not_http"),
        (b"", "delivery_unreachable"),
    ],
)
def test_what_is_no_response(receiver, raw, code):
    receiver.raw = raw
    failed = failure(receiver)
    assert (failed.code, failed.passing) == (code, True)


def test_slow_receiver_fails_in_time(receiver):
    receiver.raw, receiver.drip_s = 1000 * b"H", 0.02
    began = time.monotonic()
    failed = failure(receiver, seconds=0.5)
    assert (failed.code, failed.passing) == ("delivery_timed_out", True)
    assert time.monotonic() - began < 10


def test_receiver_that_is_down():
    with Receiver() as receiver:
        pass
    failed = failure(receiver)
    assert (failed.code, failed.passing) == ("delivery_unreachable", True)


def test_certificate_that_nobody_signed(tmp_path):
    context, _ = tls_context(tmp_path)
    with Receiver(tls=context, host="127.0.0.1") as receiver:
        failed = failure(receiver)
        assert receiver.requests == []
    assert failed.code == "delivery_tls_failed"
    assert "self-signed certificate" in failed.params["detail"]


@pytest.mark.parametrize(("name", "is_valid"), [("127.0.0.1", True), ("other", False)])
def test_certificate_is_checked_by_name(tmp_path, monkeypatch, name, is_valid):
    context, path = tls_context(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with Receiver(tls=context) as receiver:
        if is_valid:
            assert send(receiver) == 200
        else:
            assert failure(receiver).code == "delivery_tls_failed"


def test_name_of_the_url_is_sent_although_its_address_is_connected_to(
    tmp_path, monkeypatch
):
    context, path = tls_context(tmp_path, "localhost")
    seen = []
    context.sni_callback = lambda _socket, name, _context: seen.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with Receiver(tls=context) as receiver:
        receiver.url = f"https://localhost:{receiver.port}/a?b=1"
        delivery = a_delivery(a_webhook(receiver.url), an_alert())
        policy = Policy(["127.0.0.0/8", "::1/128"])
        with Attempt(policy) as attempt:
            notification = Notification(delivery)
            assert webhook.send(delivery.channel, notification, attempt) == 200
        [request] = receiver.requests
    assert seen == ["localhost"]
    assert request.headers["host"] == f"localhost:{receiver.port}"
    assert request.path == "/a?b=1"


def test_plain_receiver_behind_https(receiver):
    receiver.url = receiver.url.replace("http:", "https:")
    receiver.raw = b"no TLS"
    assert failure(receiver, seconds=5.0).code == "delivery_tls_failed"


def test_private_receiver_is_refused(receiver, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    delivery = run(a_delivery(a_webhook(receiver.url), an_alert()))
    assert (delivery.state, delivery.code) == ("failed", "delivery_address_refused")
    assert "WEBHOOK_ALLOWED_NETWORKS" in delivery.reason["advice"]
    assert receiver.requests == []


def test_channel_without_secret_sends_nothing(receiver):
    assert failure(receiver, secret="").code == "channel_secret_missing"
    assert receiver.requests == []
