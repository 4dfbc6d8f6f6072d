"""What is measured, told at once: from the monitor to every web process, through the
broker only. What is lost is not told again, the next second brings newer figures."""

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
KEPT_S = 10  # the last text of a topic, for pages that are just being opened
TIMEOUT_S = 0.5
# A broker that does not answer may not cost the monitor its seconds.
PAUSE_S = 5.0

HOST, GPUS, MODELS, ACTIVITY, STATUS = "host", "gpus", "models", "activity", "status"
TOPICS = (HOST, GPUS, MODELS, ACTIVITY, STATUS)


class Publisher:
    def __init__(self, broker_url: str) -> None:
        self._broker = connect(broker_url, TIMEOUT_S)
        self._numbers = itertools.count(1)
        self._silent_until = 0.0
        self._away = False

    def publish(self, topic: str, data: Any) -> None:
        """data: what JSON can say; NaN is not."""
        if time.monotonic() < self._silent_until:
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
                pipe.set(kept(topic), text, ex=KEPT_S)
                pipe.publish(CHANNEL, text)
                pipe.execute()
        except BrokerError as error:
            self._miss_broker(error)
        else:
            self._away = False

    def _miss_broker(self, error: BrokerError) -> None:
        if not self._away:
            logger.warning("broker: %s; the live view is interrupted", error)
        self._away = True
        self._silent_until = time.monotonic() + PAUSE_S


def kept(topic: str) -> str:
    """Key of the last text of a topic."""
    return f"{CHANNEL}:{topic}"


@cache
def publisher() -> Publisher:
    return Publisher(settings.REDIS_URL)


def publish(topic: str, data: Any) -> None:
    publisher().publish(topic, data)
