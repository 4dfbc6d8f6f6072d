"""Middleware of people's requests.

Sessions end after SESSION_COOKIE_AGE without use; what a page fetches by itself is not
use.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse

from common.requests import current_request

View = Callable[[HttpRequest], HttpResponse]

SEEN = "seen"
RENEW_S = 60  # saves one write for most requests
LIVE = "/live/"


def remember_request(view: View) -> View:
    """Middleware: what is recorded while it is served gets its user and address."""

    def remember(request: HttpRequest) -> HttpResponse:
        token = current_request.set(request)
        try:
            return view(request)
        finally:
            current_request.reset(token)

    return remember


def begin(request: HttpRequest) -> None:
    """At a sign-in, which saves the session anyway."""
    request.session[SEEN] = int(time.time())


def keep_sessions_in_use(view: View) -> View:
    """Middleware: a saved session gets a new date of expiry."""

    def renew(request: HttpRequest) -> HttpResponse:
        response = view(request)
        # The user of a token, which the REST framework sets, has no session.
        if LIVE not in request.path and SESSION_KEY in request.session:
            seen, now = request.session.get(SEEN, 0), int(time.time())
            if not 0 <= now - seen < RENEW_S:
                request.session[SEEN] = now
        return response

    return renew
