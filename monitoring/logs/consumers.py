"""/ws/logs/UID: what the engine of a run says, to everybody who may view models.

Told are {"lines": [...], "partial": "", "skipped": 0}, partial being the line that is
not complete yet, and skipped the lines before these that came too quickly; at last
{"ended": {"code", "params", "exit_code", "exit_signal"}}. A client has to say
{"seen": n}, see monitoring.guarded: it is never more than AHEAD texts behind.
"""

from __future__ import annotations

import json
import re
from contextlib import aclosing

from models_app.enums import RunState
from models_app.models import Run
from monitoring.live.admission import Admission
from monitoring.live.base_consumer import GuardedConsumer
from monitoring.live.permissions import OF_MODELS
from monitoring.logs.feeds import Batch, Feed, Feeds, TooManyFollowers

PATH = re.compile("/ws/logs/([0-9a-f]{32})")
FIRST_LINES = 2000
NO_SUCH_RUN = 4404
TOO_MANY = 4429


class LogConsumer(GuardedConsumer):
    needed = OF_MODELS
    ahead = 4

    def __init__(self, feeds: Feeds, admission: Admission) -> None:
        super().__init__(admission)
        self.feeds = feeds
        self.seen = 0

    async def talk(self) -> None:
        found = PATH.fullmatch(self.scope["path"])
        try:
            with self.feeds.following(found[1] if found else "") as feed:
                code = await self._tell_all(feed)
        except TooManyFollowers:
            code = TOO_MANY
        await self.close(code)

    async def _tell_all(self, feed: Feed) -> int | None:
        """The code to close with."""
        async with aclosing(feed.follow(FIRST_LINES)) as batches:
            async for batch in batches:
                await self.tell(_as_text(batch))
        if feed.run is None:
            return NO_SUCH_RUN
        if feed.run.state == RunState.ENDED:
            await self.tell(json.dumps({"ended": _end_of(feed.run)}))
        return None


def _as_text(batch: Batch) -> str:
    told = {"lines": batch.lines, "partial": batch.partial, "skipped": batch.skipped}
    return json.dumps(told)


def _end_of(run: Run) -> dict[str, object]:
    return {
        "code": run.end_code,
        "params": run.end_params,
        "exit_code": run.exit_code,
        "exit_signal": run.exit_signal,
    }
