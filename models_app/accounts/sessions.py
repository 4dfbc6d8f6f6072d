"""Sessions end after SESSION_COOKIE_AGE without use; what a page fetches by itself is
not use."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

View = Callable[[HttpRequest], HttpResponse]

SEEN = "seen"
RENEW_S = 60  # saves one write for most requests
LIVE = "/live/"


def keep_sessions_in_use(view: View) -> View:
    """Middleware. A saved session gets a new date of expiry."""

    def renew(request: HttpRequest) -> HttpResponse:
        response = view(request)
        if LIVE not in request.path and request.user.is_authenticated:
            seen, now = request.session.get(SEEN, 0), int(time.time())
            if not 0 <= now - seen < RENEW_S:
                request.session[SEEN] = now
        return response

    return renew
