"""Mail, received by a real SMTP server."""

import email
import email.policy
import gc
import socket
import socketserver
import threading
import time

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from django.utils import translation

from common import job_runner
from monitoring.alerts.delivery import mail
from monitoring.alerts.delivery.kind import KIND
from monitoring.alerts.delivery.network import Attempt, Failed, Policy
from monitoring.alerts.delivery.notification import Notification
from tests.monitoring.alerts.delivery.builders import (
    a_delivery,
    a_mail_channel,
    an_alert,
)
from tests.monitoring.alerts.delivery.receiver import tls_context

pytestmark = [
    pytest.mark.django_db,
    # asyncio's servers leave connections open whose TLS nobody has closed.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PASSWORD = "correct horse"


class Inbox:
    """refuse: response to a recipient."""

    def __init__(self, refuse="", known=()):
        self.refuse = refuse
        self.known = known
        self.mails = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.refuse and address not in self.known:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(envelope)
        return "250 OK"

    def message(self):
        [mail] = self.mails
        return email.message_from_bytes(mail.content, policy=email.policy.default)


class Server(Controller):
    @property
    def bound_port(self):
        return self.server.sockets[0].getsockname()[1]

    def _trigger_server(self):
        """Instead of a connection to port 0"""
        socket.create_connection((self.hostname, self.bound_port)).close()


def authenticate(server, session, envelope, mechanism, data):
    is_right = data.password.decode() == PASSWORD
    return AuthResult(success=is_right, handled=False)


@pytest.fixture
def serve(settings):
    """Starts a server and makes it the mail server."""
    started = []

    def serve(inbox, **options):
        server = Server(inbox, hostname="127.0.0.1", port=0, **options)
        server.start()
        started.append(server)
        settings.EMAIL_HOST = "127.0.0.1"
        settings.EMAIL_PORT = server.bound_port
        return inbox

    yield serve
    for server in started:
        server.stop()
    gc.collect()  # here, and not in a test that has nothing to do with it


def run(delivery):
    job_runner.take(KIND, delivery)
    delivery.refresh_from_db()
    job_runner.run(KIND, delivery)
    delivery.refresh_from_db()
    return delivery


def sent(channel=None, *alerts, **fields):
    return run(a_delivery(channel or a_mail_channel(), *alerts, **fields))


def parts(message):
    text = message.get_body(("plain",)).get_content()
    return text, message.get_body(("html",)).get_content()


@pytest.mark.parametrize(
    ("language", "title", "words"),
    [
        ("en", "[Critical] Hot: 0 H100", ["84 °C", "Firing since 20"]),
        ("zh-hans", "[严重] Hot: 0 H100", ["84 °C", "起触发"]),
    ],
)
def test_mail_in_html_and_text_in_the_language_of_the_channel(
    serve, settings, language, title, words
):
    inbox = serve(Inbox())
    settings.PUBLIC_URL = "https://llm.example.com"
    channel = a_mail_channel("a@example.com", "b@example.com", language=language)
    with translation.override("en"):
        delivery = sent(channel, an_alert())
    assert (delivery.state, delivery.code) == ("done", "")
    [envelope] = inbox.mails
    assert envelope.rcpt_tos == ["a@example.com", "b@example.com"]
    message = inbox.message()
    assert message["Subject"] == title
    assert message["From"] == settings.DEFAULT_FROM_EMAIL
    assert message["Message-ID"] == f"<{delivery.uid}@llmplatform>"
    for text in parts(message):
        assert title in text
        assert all(word in text for word in words)
        assert "https://llm.example.com/admin/" in text


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_test_message(serve, language):
    inbox = serve(Inbox())
    delivery = sent(a_mail_channel(language=language), kind="test")
    assert delivery.state == "done"
    expected = {"en": "Test notification", "zh-hans": "测试通知"}[language]
    assert inbox.message()["Subject"] == expected


ATTACKS = [
    "x\r\nBcc: victim@example.com",
    "x\nSubject: other",
    "x\r\n\r\nbody",
    "x\u2028Bcc: victim@example.com",
    "{{ settings.SECRET_KEY }}{% load x %}",
    "%(secret)s {0.__class__} ${x}",
    "<script>alert(1)</script>",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_names_inject_neither_headers_nor_markup_nor_templates(serve, settings, text):
    inbox = serve(Inbox())
    assert sent(None, an_alert(source_name=text, rule_name=text)).state == "done"
    [envelope] = inbox.mails
    message = inbox.message()
    assert envelope.rcpt_tos == ["ops@example.com"]
    assert message.keys().count("Subject") == 1
    assert message["Bcc"] is None
    assert " ".join(text.split()) in message["Subject"]
    plain, html = parts(message)
    assert settings.SECRET_KEY not in plain + html
    assert "<script>" not in html
    assert "".join(text.split()) in "".join(plain.split())


def test_many_alerts_are_listed_up_to_a_limit(serve):
    inbox = serve(Inbox())
    alerts = [an_alert(source_name=f"gpu-{n:02}", source_key=f"{n}") for n in range(50)]
    sent(None, *alerts)
    assert inbox.message()["Subject"] == "[Critical] Alerts: 50 firing"
    for text in parts(inbox.message()):
        assert "gpu-19" in text
        assert "gpu-20" not in text
        assert "and 30 more" in text


def test_sign_in(serve, settings, tmp_path, monkeypatch):
    context, path = tls_context(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    inbox = serve(
        Inbox(), tls_context=context, authenticator=authenticate, auth_required=True
    )
    settings.EMAIL_USE_TLS = True
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "llm", PASSWORD
    assert sent(None, an_alert()).state == "done"
    assert inbox.mails
    settings.EMAIL_HOST_PASSWORD = "wrong"
    delivery = sent(None, an_alert())
    assert (delivery.state, delivery.code) == ("queued", "mail_sign_in_failed")
    assert delivery.response_status == 535
    assert "wrong" not in str(delivery.reason)


@pytest.mark.parametrize(
    "wanted",
    [
        {"EMAIL_USE_TLS": True},
        {"EMAIL_HOST_USER": "llm", "EMAIL_HOST_PASSWORD": PASSWORD},
    ],
)
def test_nothing_is_sent_in_the_clear_to_a_server_that_offers_less(
    serve, settings, wanted
):
    inbox = serve(Inbox())
    for name, value in wanted.items():
        setattr(settings, name, value)
    delivery = sent(None, an_alert())
    assert (delivery.state, delivery.code) == ("failed", "mail_not_supported")
    assert inbox.mails == []


@pytest.mark.parametrize("name", ["127.0.0.1", "other.example"])
def test_tls_from_the_start_is_checked_by_name(
    serve, settings, tmp_path, monkeypatch, name
):
    context, path = tls_context(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    serve(Inbox(), ssl_context=context)
    settings.EMAIL_USE_SSL = True
    delivery = sent(None, an_alert())
    if name == "127.0.0.1":
        assert delivery.state == "done"
    else:
        assert (delivery.state, delivery.code) == ("queued", "delivery_tls_failed")


@pytest.mark.parametrize(
    ("response", "state"),
    [("450 busy, see /etc/internal", "queued"), ("550 no such user secret", "failed")],
)
def test_refused_recipients(serve, response, state):
    serve(Inbox(refuse=response))
    delivery = sent(None, an_alert())
    assert (delivery.state, delivery.code) == (state, "mail_recipients_refused")
    assert delivery.response_status == int(response[:3])
    assert response[4:] not in str(delivery.reason)


def test_one_refused_recipient_keeps_the_mail_from_no_other(serve):
    inbox = serve(Inbox(refuse="550 unknown", known=["a@example.com"]))
    delivery = sent(a_mail_channel("a@example.com", "b@example.com"), an_alert())
    assert (delivery.state, delivery.code) == ("failed", "mail_recipients_refused")
    assert [envelope.rcpt_tos for envelope in inbox.mails] == [["a@example.com"]]


class Speaking(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while True:
                self.request.sendall(self.server.text)
                time.sleep(self.server.pause_s)
        except OSError:
            pass


@pytest.fixture
def speak(settings):
    """Starts a mail server that says the same again and again."""
    servers = []

    def speak(text, pause_s=0.0):
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Speaking)
        server.daemon_threads, server.text, server.pause_s = True, text, pause_s
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        settings.EMAIL_HOST = "127.0.0.1"
        settings.EMAIL_PORT = server.server_address[1]
        servers.append(server)

    yield speak
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("text", [1000 * b"220-welcome\r\n", 10_000 * b"x"])
def test_server_that_never_ends(speak, text):
    speak(text)
    delivery = sent(None, an_alert())
    assert (delivery.state, delivery.code) == ("queued", "mail_not_smtp")


def test_slow_server_fails_in_time(speak):
    speak(b"2", pause_s=0.02)
    delivery = a_delivery(a_mail_channel(), an_alert())
    began = time.monotonic()
    with (
        pytest.raises(Failed) as failed,
        Attempt(Policy(["127.0.0.1"]), 0.5) as attempt,
    ):
        mail.send(delivery.channel, Notification(delivery), attempt)
    assert (failed.value.code, failed.value.passing) == ("delivery_timed_out", True)
    assert time.monotonic() - began < 10


def test_server_that_is_down(settings):
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = 1  # nobody listens there
    delivery = sent(None, an_alert())
    assert (delivery.state, delivery.code) == ("queued", "delivery_unreachable")


def test_private_server_is_refused(serve, settings):
    inbox = serve(Inbox())
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    delivery = sent(None, an_alert())
    assert (delivery.state, delivery.code) == ("failed", "delivery_address_refused")
    assert inbox.mails == []


def test_no_server():
    delivery = sent(None, an_alert())
    assert (delivery.state, delivery.code) == ("failed", "mail_not_configured")
