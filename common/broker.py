"""Tell the other roles that something changed.

Only a hint: rows are the truth, and every listener looks at them by itself every few
seconds. So a broker that is gone costs latency, never work.
"""

import logging
from functools import cache

import redis
from django.conf import settings
from django.db import transaction
from django_q.tasks import async_task

logger = logging.getLogger(__name__)

CHANNEL = "llmplatform:changed"
TICK_PENDING = "llmplatform:tick"
TICK_PENDING_MS = 5000


@cache
def broker() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2
    )


def changed() -> None:
    """After commit: wake the scheduler, tell gateways to reload."""
    transaction.on_commit(_tell)


def _tell() -> None:
    announce()
    wake()


def announce_on_commit() -> None:
    transaction.on_commit(announce)


def announce() -> None:
    try:
        broker().publish(CHANNEL, b"")
    except redis.RedisError as error:
        logger.warning("broker: change notice lost: %s", error)


def wake() -> None:
    """One tick soon. Many calls before it starts make one tick."""
    try:
        if broker().set(TICK_PENDING, b"1", nx=True, px=TICK_PENDING_MS):
            async_task("scheduling.tasks.tick")
    except redis.RedisError as error:
        logger.warning("broker: nudge lost: %s", error)


def tick_begins() -> None:
    """Changes from here on need a tick of their own."""
    try:
        broker().delete(TICK_PENDING)
    except redis.RedisError as error:
        logger.warning("broker: %s", error)


def enqueue(task: str, *args: object, timeout: int | None = None) -> None:
    """After commit: run a task soon. The tick repeats what is lost. timeout: seconds,
    if it may take longer than others."""
    options = {} if timeout is None else {"timeout": timeout}

    def send() -> None:
        try:
            async_task(task, *args, **options)
        except redis.RedisError as error:
            logger.warning("broker: task %s lost: %s", task, error)

    transaction.on_commit(send)
