"""Log filters."""

import logging


class WithoutTraceback(logging.Filter):
    """For errors that unauthenticated clients can cause: one line, not a page."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True
