"""What people may configure, and what they do with channels."""

import base64
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from common.messages import render
from monitoring.alerts.delivery.channels import (
    check_channel,
    is_webhook_secret,
    new_webhook_secret,
    rotate_secret,
    submit_test,
)
from monitoring.alerts.delivery.kind import KIND
from monitoring.alerts.models import NotificationChannel
from tests.builders import a_user
from tests.monitoring.alerts.delivery.builders import a_channel, a_webhook

LONG = "https://example.com/" + 2000 * "a"


def found(kind, config, secret=""):
    return [(p.field, p.code) for p in check_channel(kind, config, secret)]


WEBHOOKS = [
    ("https://example.com/hook", None),
    ("http://example.com:8080/a/b?c=d#e", None),
    ("https://bücher.example/hook", None),
    ("https://8.8.8.8/hook", None),
    ("https://[2606:4700::1111]/hook", None),
    ("http://10.1.2.3/hook", None),  # admitted by the settings of this test
    ("http://127.0.0.1/hook", "delivery_address_refused"),
    ("http://2130706433/", "delivery_address_refused"),
    ("http://0x7f000001/", "delivery_address_refused"),
    ("http://0177.0.0.1/", "delivery_address_refused"),
    ("http://[::1]:8080/", "delivery_address_refused"),
    ("http://[::ffff:127.0.0.1]/", "delivery_address_refused"),
    ("http://[64:ff9b::7f00:1]/", "delivery_address_refused"),
    ("http://169.254.169.254/latest", "delivery_address_refused"),
    ("https://user:password@example.com/", "channel_url_has_credentials"),
    ("https://user@example.com/", "channel_url_has_credentials"),
    ("https://@example.com/", "channel_url_has_credentials"),
    ("ftp://example.com/", "channel_url_invalid"),
    ("file:///etc/passwd", "channel_url_invalid"),
    ("gopher://example.com/", "channel_url_invalid"),
    ("javascript:alert(1)", "channel_url_invalid"),
    ("data:text/plain,x", "channel_url_invalid"),
    ("unix:///var/run/docker.sock", "channel_url_invalid"),
    ("example.com/hook", "channel_url_invalid"),
    ("//example.com/hook", "channel_url_invalid"),
    ("https://", "channel_url_invalid"),
    ("https:///path", "channel_url_invalid"),
    ("https://example.com:0/", "channel_url_invalid"),
    ("https://example.com:99999/", "channel_url_invalid"),
    ("https://example.com:port/", "channel_url_invalid"),
    ("https://example.com/\r\nHost: other", "channel_url_invalid"),
    ("https://example.com/\nX: y", "channel_url_invalid"),
    ("https://exam\tple.com/", "channel_url_invalid"),
    ("https://example.com/a b", "channel_url_invalid"),
    (" https://example.com/", "channel_url_invalid"),
    ("https://example.com\\@other.example/", "channel_url_invalid"),
    ("https://example.com/\x00", "channel_url_invalid"),
    ("https://[::1", "channel_url_invalid"),
    (LONG, "channel_url_invalid"),
    ("", "channel_url_invalid"),
    (5, "wrong_type"),
    (None, "wrong_type"),
    ([], "wrong_type"),
]


@pytest.mark.parametrize(("url", "code"), WEBHOOKS)
def test_webhook_url(settings, url, code):
    settings.WEBHOOK_ALLOWED_NETWORKS = ["10.0.0.0/8"]
    expected = [("config.url", code)] if code else []
    assert found("webhook", {"url": url}) == expected


MANY = [f"u{n}@example.com" for n in range(21)]
RECIPIENTS = [
    (["ops@example.com"], None),
    (["a.b+c@sub.example.com", "运维@example.com"], "channel_recipient_invalid"),
    (MANY[:20], None),
    (MANY, "channel_recipients_limit"),
    ([], "channel_recipients_limit"),
    (["nobody"], "channel_recipient_invalid"),
    (["a@example.com\r\nBcc: b@example.com"], "channel_recipient_invalid"),
    (["a@example.com\n"], "channel_recipient_invalid"),
    (["a@example.com, b@example.com"], "channel_recipient_invalid"),
    (["Ops <ops@example.com>"], "channel_recipient_invalid"),
    (["ops@example.com\u2028"], "channel_recipient_invalid"),
    (['"a\r\nb"@example.com'], "channel_recipient_invalid"),
    ([""], "channel_recipient_invalid"),
    ([5], "channel_recipient_invalid"),
    ([None], "channel_recipient_invalid"),
    ([["a@example.com"]], "channel_recipient_invalid"),
    ("ops@example.com", "wrong_type"),
    ({"a": 1}, "wrong_type"),
    (None, "wrong_type"),
]


@pytest.mark.parametrize(("recipients", "code"), RECIPIENTS)
def test_mail_recipients(recipients, code):
    expected = [("config.recipients", code)] if code else []
    assert found("mail", {"recipients": recipients}) == expected


NO_APPRISE = [("secret", "channel_apprise_url_invalid")]
CONFIGS = [
    ("web", {}, "", []),
    ("web", {"url": "x"}, "", [("config.url", "unknown_field")]),
    ("web", None, "", [("config", "wrong_type")]),
    ("webhook", [], "", [("config", "wrong_type")]),
    ("webhook", {}, "", [("config.url", "missing_key")]),
    (
        "webhook",
        {"uri": "https://a.example"},
        "",
        [("config.uri", "unknown_field"), ("config.url", "missing_key")],
    ),
    ("mail", {}, "", [("config.recipients", "missing_key")]),
    ("apprise", {}, "", [("secret", "missing_key")]),
    ("apprise", {}, "dingtalk://abcdef12345", []),
    ("apprise", {}, "json://a.example\r\n", NO_APPRISE),
    ("apprise", {}, "none://x", NO_APPRISE),
    ("apprise", {}, "syslog://", NO_APPRISE),
    ("apprise", {}, "json://a/" + 2000 * "b", NO_APPRISE),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "config", "secret", "expected"), CONFIGS)
def test_configs(kind, config, secret, expected):
    problems = check_channel(kind, config, secret)
    assert [(p.field, p.code) for p in problems] == expected
    for problem in problems:
        message = render(problem.code, problem.params)
        assert message != problem.code
        assert secret not in message or not secret


def encoded(size):
    return base64.b64encode(bytes(size)).decode()


@pytest.mark.parametrize(
    ("secret", "is_valid"),
    [
        (f"whsec_{encoded(32)}", True),
        (f"whsec_{encoded(24)}", True),
        (f"whsec_{encoded(64)}", True),
        (f"whsec_{encoded(23)}", False),
        (f"whsec_{encoded(65)}", False),
        (encoded(32), False),
        ("whsec_not base64", False),
        ("whsec_", False),
        ("whsec_é", False),
    ],
)
def test_webhook_secret(secret, is_valid):
    assert is_webhook_secret(secret) is is_valid
    problems = found("webhook", {"url": "https://a.example"}, secret)
    assert problems == ([] if is_valid else [("secret", "channel_secret_invalid")])


def test_new_secrets_differ():
    made = {new_webhook_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(map(is_webhook_secret, made))


@pytest.mark.django_db
def test_rotation_keeps_the_previous_secret_for_a_day():
    channel = a_webhook("https://a.example")
    old = channel.secret
    new = rotate_secret(channel)
    stored = NotificationChannel.objects.get(pk=channel.pk)
    assert (stored.secret, stored.previous_secret) == (new, old)
    left = stored.previous_secret_until - timezone.now()
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    with pytest.raises(ValueError, match="mail"):
        rotate_secret(a_channel("mail"))


@pytest.mark.django_db
def test_secrets_are_encrypted():
    a_channel("apprise", secret="json://a.example/s3cret")
    with connection.cursor() as cursor:
        cursor.execute("select secret from monitoring_notificationchannel")
        stored = str(cursor.fetchall())
    assert "gAAAA" in stored
    assert "s3cret" not in stored


@pytest.mark.django_db
def test_test_message_under_way_is_not_doubled():
    channel, admin = a_channel(), a_user("admin")
    first = submit_test(channel, admin)
    assert (first.kind, first.state, first.created_by) == ("test", "queued", admin)
    assert submit_test(channel, admin) == first
    KIND.jobs().update(state="done")
    assert submit_test(channel, admin) != first


@pytest.mark.django_db
def test_who_sees_deliveries():
    submit_test(a_channel())
    for group, count in (("viewer", 0), ("operator", 0), ("admin", 1)):
        user = a_user(group)
        assert KIND.visible_to(user).count() == count
        assert KIND.may_change(user, KIND.jobs().get()) is (count == 1)
