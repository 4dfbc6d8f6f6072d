"""Logs as text: all that is kept, and as they grow."""

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
from monitoring.exports.stream import Places
from monitoring.live.admission import Admission
from monitoring.live.permissions import OF_MODELS, Credential
from monitoring.logs.feeds import FEEDS, Batch, TooManyFollowers
from runtimes.logs.read import whole

TEXT = "text/plain; charset=utf-8"
# A client that went away without a word is only noticed when something is sent to it.
FOLLOW_S = 3600
# As often as for sockets it is looked up anew whether what comes may still be told.
ADMISSION = Admission()
PLACES = Places(each=8)


class TooManyLogs(APIException):
    status_code = 429
    default_code = "too_many_logs"

    def __init__(self, allowed: int) -> None:
        super().__init__(render(self.default_code, {"max": allowed}))


class Growing:
    """What is sent until there is no more. done: called once, also if it was never
    begun."""

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
    done = PLACES.take(request.user.pk)
    if done is None:
        raise TooManyLogs(PLACES.each)
    if FEEDS.full:
        done()
        raise TooManyLogs(FEEDS.most)
    asked = _Asked(
        uid=run.uid,
        tail=tail,
        search=search.casefold(),
        language=get_language() or "",
        credential=_credential(request),
    )
    chunks = _grown(asked)
    return StreamingHttpResponse(
        Growing(chunks, done),
        content_type=TEXT,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    uid: str
    tail: int
    search: str
    language: str
    credential: Credential


def _credential(request: Request) -> Credential:
    if isinstance(request.auth, ApiToken):
        return Credential(token=request.auth.digest)
    return Credential(session=request.session.session_key or "")


async def _grown(asked: _Asked) -> AsyncGenerator[bytes, None]:
    looked_at = time.monotonic()
    deadline = looked_at + FOLLOW_S
    with suppress(TooManyFollowers, TimeoutError), FEEDS.following(asked.uid) as feed:
        async with aclosing(feed.follow(asked.tail)) as batches:
            while batch := await _next(batches, deadline):
                if time.monotonic() - looked_at >= ADMISSION.pace.period_s:
                    looked_at = time.monotonic()
                    if not await _may_hear(asked.credential):
                        return
                if text := _text(batch, asked.search, asked.language):
                    yield text.encode()
        if feed.run and feed.run.end_code:
            yield f"--- {_words_of_the_end(feed.run, asked.language)}\n".encode()


async def _may_hear(credential: Credential) -> bool:
    """While the database is away nobody could be shut out there either."""
    try:
        return await ADMISSION.topics(credential) >= OF_MODELS
    except DatabaseError:
        return True


async def _next(batches: AsyncGenerator[Batch, None], deadline: float) -> Batch | None:
    """None: there is no more. Raises TimeoutError."""
    left = deadline - time.monotonic()
    return await asyncio.wait_for(anext(batches, None), left)


def _text(batch: Batch, wanted: str, language: str) -> str:
    lines = [line for line in batch.lines if wanted in line.casefold()]
    if batch.skipped:
        with override(language):
            told = _("%(count)s lines skipped") % {"count": batch.skipped}
        lines.insert(0, f"--- {told}")
    return "".join(f"{line}\n" for line in lines)


def _words_of_the_end(run: Run, language: str) -> str:
    with override(language):
        return run.end_reason
