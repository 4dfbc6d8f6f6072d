"""Stream logs as plain text: the whole log, or lines as they are written."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from django.db import DatabaseError
from django.http import StreamingHttpResponse
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from common.messages import render
from models_app.models import ApiToken, Run
from monitoring.exports.answers import streamed
from monitoring.exports.stream import StreamLimit
from monitoring.live.admission import Admission
from monitoring.live.permissions import MODEL_TOPICS, Credential
from monitoring.logs.feeds import FEEDS, Batch, TooManyFollowers
from runtimes.logs.read import whole

TEXT = "text/plain; charset=utf-8"
# A client that disconnects silently is only noticed when something is sent to it.
MAX_FOLLOW_S = 3600
# Permissions are checked again as often as for websockets.
ADMISSION = Admission()
STREAM_LIMIT = StreamLimit(per_user=8)


class TooManyLogs(APIException):
    status_code = 429
    default_code = "too_many_logs"

    def __init__(self, allowed: int) -> None:
        super().__init__(render(self.default_code, {"max": allowed}))


class StreamingBody:
    """done: called exactly once, even if the iteration never starts."""

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], done: Callable[[], None]
    ) -> None:
        self._chunks = chunks
        self.close = weakref.finalize(self, done)
        self.close.atexit = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                yield chunk


def download(request: Request, run: Run) -> StreamingHttpResponse:
    name = f"{run.model.name}-{run.replica}-{run.uid[:8]}.log"
    return streamed(request, whole(run), TEXT, name)


def follow(request: Request, run: Run, tail: int, search: str) -> StreamingHttpResponse:
    """Raises TooManyLogs."""
    if request.method == "HEAD":
        return StreamingHttpResponse(iter(()), content_type=TEXT)
    done = STREAM_LIMIT.acquire(request.user.pk)
    if done is None:
        raise TooManyLogs(STREAM_LIMIT.per_user)
    if FEEDS.is_full:
        done()
        raise TooManyLogs(FEEDS.limit)
    options = _Options(
        uid=run.uid,
        tail=tail,
        search=search.casefold(),
        language=get_language() or "",
        credential=_credential(request),
    )
    chunks = _stream(options)
    return StreamingHttpResponse(
        StreamingBody(chunks, done),
        content_type=TEXT,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    uid: str
    tail: int
    search: str
    language: str
    credential: Credential


def _credential(request: Request) -> Credential:
    if isinstance(request.auth, ApiToken):
        return Credential(token=request.auth.digest)
    return Credential(session=request.session.session_key or "")


async def _stream(options: _Options) -> AsyncGenerator[bytes, None]:
    checked_at = time.monotonic()
    deadline = checked_at + MAX_FOLLOW_S
    with suppress(TooManyFollowers, TimeoutError), FEEDS.subscribe(options.uid) as feed:
        async with aclosing(feed.follow(options.tail)) as batches:
            while batch := await _next(batches, deadline):
                if time.monotonic() - checked_at >= ADMISSION.timing.period_s:
                    checked_at = time.monotonic()
                    if not await _is_allowed(options.credential):
                        return
                if text := _format(batch, options.search, options.language):
                    yield text.encode()
        if feed.run and feed.run.end_code:
            yield f"--- {_end_reason(feed.run, options.language)}\n".encode()


async def _is_allowed(credential: Credential) -> bool:
    """True while the database is down, as for websockets."""
    try:
        return await ADMISSION.topics(credential) >= MODEL_TOPICS
    except DatabaseError:
        return True


async def _next(batches: AsyncGenerator[Batch, None], deadline: float) -> Batch | None:
    """None at the end. Raises TimeoutError."""
    async with asyncio.timeout(deadline - time.monotonic()):
        return await anext(batches, None)


def _format(batch: Batch, search: str, language: str) -> str:
    lines = [line for line in batch.lines if search in line.casefold()]
    if batch.skipped:
        with override(language):
            note = _("%(count)s lines skipped") % {"count": batch.skipped}
        lines.insert(0, f"--- {note}")
    return "".join(f"{line}\n" for line in lines)


def _end_reason(run: Run, language: str) -> str:
    with override(language):
        return run.end_reason
