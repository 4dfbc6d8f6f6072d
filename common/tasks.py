"""What the task queue calls."""

from common import jobs


def start_jobs() -> None:
    jobs.start_due()


def cleanup_jobs() -> None:
    jobs.cleanup()
