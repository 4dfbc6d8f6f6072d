"""Publish current values from the monitor to all web processes, through the broker.

Lost messages are not repeated: the next second brings newer values.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from functools import cache
from typing import Any

from django.conf import settings

from common.broker import BrokerError, connect

logger = logging.getLogger(__name__)

CHANNEL = "llmplatform:live"
LAST_MESSAGE_TTL_S = 10  # kept per topic, for pages that are just opening
TIMEOUT_S = 0.5
# Pause after an error, so that a hanging broker does not slow the monitor down.
RETRY_S = 5.0

HOST, GPUS, MODELS, ACTIVITY, STATUS = "host", "gpus", "models", "activity", "status"
ALERTS = "alerts"
TOPICS = (HOST, GPUS, MODELS, ACTIVITY, STATUS, ALERTS)


class Publisher:
    def __init__(self, broker_url: str) -> None:
        self._broker = connect(broker_url, TIMEOUT_S)
        self._numbers = itertools.count(1)
        self._retry_at = 0.0
        self._is_broker_down = False

    def publish(self, topic: str, data: Any) -> None:
        """data: JSON-serializable, without NaN."""
        if time.monotonic() < self._retry_at:
            return
        message = {
            "topic": topic,
            "at": round(time.time(), 3),
            "seq": next(self._numbers),
            "data": data,
        }
        self._send(topic, json.dumps(message, separators=(",", ":"), allow_nan=False))

    def _send(self, topic: str, text: str) -> None:
        try:
            with self._broker.pipeline(transaction=False) as pipe:
                pipe.set(last_message_key(topic), text, ex=LAST_MESSAGE_TTL_S)
                pipe.publish(CHANNEL, text)
                pipe.execute()
        except BrokerError as error:
            self._log_broker_error(error)
        else:
            self._is_broker_down = False

    def _log_broker_error(self, error: BrokerError) -> None:
        if not self._is_broker_down:
            logger.warning("broker unavailable, live view interrupted: %s", error)
        self._is_broker_down = True
        self._retry_at = time.monotonic() + RETRY_S


def last_message_key(topic: str) -> str:
    return f"{CHANNEL}:{topic}"


@cache
def publisher() -> Publisher:
    return Publisher(settings.REDIS_URL)


def publish(topic: str, data: Any) -> None:
    publisher().publish(topic, data)
