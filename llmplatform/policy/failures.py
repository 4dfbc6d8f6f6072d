"""What the application did not handle: one log line, and an error without details."""

from __future__ import annotations

import logging

from common.disks import full_disk
from gateway.errors import GatewayError
from gateway.http import Receive, Scope, Send
from llmplatform.policy.base import App, has_started, refuse

logger = logging.getLogger(__name__)


def answer_failures(app: App) -> App:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except Exception as error:
            if scope["type"] != "http" or has_started(scope):
                raise
            await refuse(scope, receive, send, failure_of(error))

    return application


def failure_of(error: Exception) -> GatewayError:
    if disk := full_disk(error):
        logger.error("the disk of %s is full: %s", disk, error)
        return GatewayError(503, "disk_full", {"path": disk})
    logger.error("request failed", exc_info=error)
    return GatewayError(500, "internal_error")
