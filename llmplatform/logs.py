"""What goes to the log, and how much of it."""

import logging


class WithoutTraceback(logging.Filter):
    """For what strangers can cause at will: a line each, not a page each."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = None
        return True
