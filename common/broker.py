"""Clients of the broker (Redis or Valkey), and the notices that roles send through it.

No other module creates a client. Every notice is a hint: rows hold the truth, and every
role reads them every few seconds. A broker that is down therefore costs latency, never
work.
"""

import logging
from functools import cache

import redis
from django.conf import settings
from django.db import transaction
from django_q.tasks import async_task
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

Client = redis.Redis
AsyncClient = AsyncRedis
AsyncPubSub = PubSub
BrokerError = redis.RedisError

logger = logging.getLogger(__name__)

CHANGES = "llmplatform:changed"  # channel; messages are empty
TICK_PENDING = "llmplatform:tick"
TICK_PENDING_MS = 5000


def connect(url: str, timeout_s: float) -> Client:
    """A client for callers that cannot wait: it tries once."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
    )


def connect_async(url: str, timeout_s: float | None = None) -> AsyncClient:
    """Tries once. timeout_s: None for a subscription, which waits for messages."""
    client: AsyncClient = AsyncClient.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=AsyncRetry(NoBackoff(), 0),
    )
    return client


@cache
def client() -> Client:
    """For notices: retries on a connection that was lost meanwhile."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2
    )


def notify_change() -> None:
    """After commit: wake the scheduler and publish the change."""
    transaction.on_commit(_notify)


def _notify() -> None:
    publish_change()
    wake_scheduler()


def publish_change_on_commit() -> None:
    transaction.on_commit(publish_change)


def publish_change() -> None:
    """The gateways reload their routing tables, websockets check permissions again."""
    try:
        client().publish(CHANGES, b"")
    except BrokerError as error:
        logger.warning("broker unavailable, change not published: %s", error)


def wake_scheduler() -> None:
    """Enqueue one tick, unless one is enqueued that has not started."""
    try:
        if client().set(TICK_PENDING, b"1", nx=True, px=TICK_PENDING_MS):
            async_task("scheduling.tasks.tick")
    except BrokerError as error:
        logger.warning("broker unavailable, scheduler not woken: %s", error)


def clear_pending_tick() -> None:
    """Called when a tick starts: later changes need another one."""
    try:
        client().delete(TICK_PENDING)
    except BrokerError as error:
        logger.warning("broker unavailable, pending tick not cleared: %s", error)


def enqueue(task: str, *args: object, timeout: int | None = None) -> None:
    """After commit: run a task soon. The monitor enqueues lost tasks again. timeout:
    seconds, for a task that may exceed the usual limit."""
    options = {} if timeout is None else {"timeout": timeout}

    def send() -> None:
        try:
            async_task(task, *args, **options)
        except BrokerError as error:
            logger.warning("broker unavailable, task %s not enqueued: %s", task, error)

    transaction.on_commit(send)
