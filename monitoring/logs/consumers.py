"""/ws/logs/UID: the live log of a run, for users who may view models.

Sends {"lines": [...], "partial": "", "skipped": 0}: partial is the incomplete last
line, skipped the number of earlier lines that came too quickly. The last message is
{"ended": {"code", "params", "exit_code", "exit_signal"}}. Clients acknowledge messages
with {"seen": n}, see monitoring.live.base_consumer.
"""

from __future__ import annotations

import json
import re
from contextlib import aclosing

from models_app.enums import RunState
from models_app.models import Run
from monitoring.live.admission import Admission
from monitoring.live.base_consumer import GuardedConsumer
from monitoring.live.permissions import MODEL_TOPICS
from monitoring.logs.feeds import Batch, Feed, Feeds, TooManyFollowers

PATH = re.compile("/ws/logs/([0-9a-f]{32})")
FIRST_LINES = 2000
NO_SUCH_RUN = 4404
TOO_MANY = 4429


class LogConsumer(GuardedConsumer):
    required_topics = MODEL_TOPICS
    max_unacknowledged = 4

    def __init__(self, feeds: Feeds, admission: Admission) -> None:
        super().__init__(admission)
        self.feeds = feeds
        self.seen = 0

    async def serve(self) -> None:
        found = PATH.fullmatch(self.scope["path"])
        try:
            with self.feeds.subscribe(found[1] if found else "") as feed:
                code = await self._send_log(feed)
        except TooManyFollowers:
            code = TOO_MANY
        await self.close(code)

    async def _send_log(self, feed: Feed) -> int | None:
        """Returns the close code."""
        async with aclosing(feed.follow(FIRST_LINES)) as batches:
            async for batch in batches:
                await self.send_when_ready(_format(batch))
        if feed.run is None:
            return NO_SUCH_RUN
        if feed.run.state == RunState.ENDED:
            await self.send_when_ready(json.dumps({"ended": _end(feed.run)}))
        return None


def _format(batch: Batch) -> str:
    return json.dumps(
        {"lines": batch.lines, "partial": batch.partial, "skipped": batch.skipped}
    )


def _end(run: Run) -> dict[str, object]:
    return {
        "code": run.end_code,
        "params": run.end_params,
        "exit_code": run.exit_code,
        "exit_signal": run.exit_signal,
    }
