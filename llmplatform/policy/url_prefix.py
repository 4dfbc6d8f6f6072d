"""The site below a path (URL_PREFIX), which a proxy may remove or not."""

from __future__ import annotations

from django.conf import settings
from django.urls import set_script_prefix

from gateway.http import Receive, Scope, Send
from llmplatform.policy.base import App


def strip_prefix(app: App) -> App:
    """Everything inside sees paths without the prefix."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        prefix, path = settings.URL_PREFIX, scope["path"]
        if prefix:
            # Links in what websockets send; Django sets it for requests only.
            set_script_prefix(f"{prefix}/")
            if path == prefix or path.startswith(f"{prefix}/"):
                path = path[len(prefix) :] or "/"
            scope = {**scope, "path": path, "root_path": ""}
        await app(scope, receive, send)

    return application


def add_prefix(app: App) -> App:
    """For Django, whose links to the current page start with it."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        path = settings.URL_PREFIX + scope["path"]
        await app({**scope, "path": path}, receive, send)

    return application
