"""Apprise, for DingTalk, Feishu, WeCom, Slack, Teams and a hundred others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict

from django.conf import settings
from django.template.loader import render_to_string

from monitoring.alerts.delivery.apprise_child import Job, Outcome
from monitoring.alerts.delivery.network import SECONDS, Attempt, Failed
from monitoring.alerts.delivery.notification import Notification
from monitoring.alerts.enums import Severity
from monitoring.alerts.models import NotificationChannel

MODULE = "monitoring.alerts.delivery.apprise_child"
INHERITED = re.compile(
    "PATH|LANG|LC_ALL|TZ|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE", re.IGNORECASE
)
LEVELS = {Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
# They write to this machine instead of sending anything.
LOCAL = frozenset(
    {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog"}
    | {"windows"}
)


def send(
    channel: NotificationChannel, notification: Notification, attempt: Attempt
) -> int | None:
    """The status of a response other than success, where Apprise reports it. Raises
    Failed."""
    if not channel.secret:
        raise Failed("channel_secret_missing")
    job = Job(
        url=channel.secret,
        title=notification.title,
        body=render_to_string(
            "monitoring/alerts/message.txt", notification.context()
        ).strip(),
        level=level(notification),
        networks=settings.WEBHOOK_ALLOWED_NETWORKS,
        parent=os.getpid(),
    )
    outcome = _run(job, attempt.remaining)
    if outcome.code:
        raise Failed(
            outcome.code,
            passing=outcome.passing,
            status=outcome.status,
            **outcome.params,
        )
    return outcome.status


def level(notification: Notification) -> str:
    if notification.resolved and not notification.firing:
        return "success"
    return LEVELS.get(Severity(notification.severity), "info")


def is_known(url: str) -> bool:
    """Whether Apprise can send to it. Raises Failed."""
    if url.partition("://")[0].lower() in LOCAL:
        return False
    job = Job(url=url, networks=[], parent=os.getpid())
    return not _run(job, SECONDS).code


def _run(job: Job, seconds: float) -> Outcome:
    try:
        done = subprocess.run(
            [sys.executable, "-m", MODULE],
            cwd=settings.BASE_DIR,
            env=_environment(),
            input=json.dumps(asdict(job)).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        most = round(SECONDS)
        raise Failed("apprise_timed_out", passing=True, max=most) from None
    try:
        return Outcome(**json.loads(done.stdout))
    except (ValueError, TypeError):  # killed, or out of memory
        return Outcome(code="apprise_failed", passing=True)


def _environment() -> dict[str, str]:
    """Without proxies, which would resolve names without the check."""
    given = settings.ENGINE_ENVIRONMENT
    return {
        **{name: value for name, value in given.items() if INHERITED.fullmatch(name)},
        "HOME": "/nonexistent",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
