"""Log filters."""

import logging
import re

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
