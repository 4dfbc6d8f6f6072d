"""Configuration and filters of the log."""

import logging
import re
from typing import Any

from common.requests import request_id

# Clients that cannot set headers put their token into the address.
SECRET = re.compile(r"([?&](?:[a-z_]*token|[a-z_]*key|password)=)[^&\s\"']+", re.I)


class WithoutTraceback(logging.Filter):
    """For errors that unauthenticated clients can cause: one line, not a page."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True


class WithRequestId(logging.Filter):
    """Sets record.request, which is empty outside of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = request_id.get()
        record.request = f" [request {current}]" if current else ""
        return True


class WithoutSecrets(logging.Filter):
    """Removes tokens from the addresses that servers and libraries log."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (shown := SECRET.sub(r"\1***", message)) != message:
            record.msg, record.args = shown, ()
        return True


def configuration(level: str) -> dict[str, Any]:
    """For logging.config.dictConfig."""
    filters = {
        "one_line": WithoutTraceback,
        "request_id": WithRequestId,
        "no_secrets": WithoutSecrets,
    }
    line = "%(asctime)s %(levelname)s %(name)s: %(message)s%(request)s"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": line}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["request_id", "no_secrets"],
            },
        },
        "filters": {name: {"()": filter} for name, filter in filters.items()},
        "loggers": {
            # One line per task would be two lines a second.
            "django-q": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
            "django.security.DisallowedHost": {"filters": ["one_line"]},
            # Its warnings name URLs, and those of webhooks may hold a secret.
            "urllib3": {"level": "ERROR"},
        },
        "root": {"handlers": ["stderr"], "level": level},
    }
