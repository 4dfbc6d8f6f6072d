"""Mail over SMTP, in HTML and text."""

from __future__ import annotations

import smtplib
import socket
from typing import Any, BinaryIO

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django.template.loader import render_to_string

from monitoring.alerts.delivery.network import Attempt, Failed
from monitoring.alerts.delivery.notification import Notification
from monitoring.alerts.models import NotificationChannel

MAX_RESPONSE_BYTES = 64 * 2**10
REFUSALS = (
    smtplib.SMTPConnectError,
    smtplib.SMTPHeloError,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
)
TEMPLATE = "monitoring/alerts/mail"


def send(
    channel: NotificationChannel, notification: Notification, attempt: Attempt
) -> None:
    """Raises Failed."""
    if not settings.EMAIL_HOST:
        raise Failed("mail_not_configured")
    backend = _Backend(attempt)
    try:
        message(channel, notification, backend).send()
    except smtplib.SMTPException as error:
        if attempt.is_over:
            raise attempt.failure_of(error) from None
        raise _failure(error) from None


def message(
    channel: NotificationChannel,
    notification: Notification,
    connection: EmailBackend | None = None,
) -> EmailMultiAlternatives:
    """The same Message-ID in each attempt, so that a duplicate can be recognised."""
    context = notification.context()
    mail = EmailMultiAlternatives(
        subject=notification.title,
        body=render_to_string(f"{TEMPLATE}.txt", context),
        to=list(channel.config["recipients"]),
        connection=connection,
        headers={"Message-ID": f"<{notification.uid}@llmplatform>"},
    )
    mail.attach_alternative(render_to_string(f"{TEMPLATE}.html", context), "text/html")
    return mail


class _Limited:
    """Lines of a server, until they are too many."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = MAX_RESPONSE_BYTES

    def readline(self, size: int) -> bytes:
        line = self.file.readline(size)
        self.left -= len(line)
        if self.left < 0:
            raise smtplib.SMTPServerDisconnected
        return line

    def close(self) -> None:
        self.file.close()


class _Smtp(smtplib.SMTP):
    attempt: Attempt

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self.attempt.connect(host, port)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Limited(self.sock.makefile("rb"))
        return super().getreply()

    def sendmail(self, *args: Any, **options: Any) -> dict[str, tuple[int, bytes]]:
        """Raises SMTPRecipientsRefused even if only some were refused."""
        if refused := super().sendmail(*args, **options):
            raise smtplib.SMTPRecipientsRefused(refused)
        return refused


class _Smtps(smtplib.SMTP_SSL, _Smtp):
    """TLS from the start, over a connection of the other class."""


class _Backend(EmailBackend):
    def __init__(self, attempt: Attempt) -> None:
        super().__init__(timeout=round(attempt.seconds))
        self.attempt = attempt

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        base = _Smtps if self.use_ssl else _Smtp
        return type("Smtp", (base,), {"attempt": self.attempt})


def _failure(error: smtplib.SMTPException) -> Failed:
    """Only the codes of what the server responds: its texts may hold anything."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [int(code) for code, _ in error.recipients.values()]
        passing = any(code < 500 for code in codes)
        return Failed("mail_recipients_refused", passing=passing, status=max(codes))
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Failed("mail_sign_in_failed", passing=True, status=error.smtp_code)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Failed("mail_not_supported", host=settings.EMAIL_HOST)
    if isinstance(error, REFUSALS) and error.smtp_code > 0:
        passing = error.smtp_code < 500
        return Failed("mail_refused", passing=passing, status=error.smtp_code)
    return Failed("mail_not_smtp", passing=True, host=settings.EMAIL_HOST)
