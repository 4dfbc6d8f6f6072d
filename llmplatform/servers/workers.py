"""What each of several processes on the API port imports first: it sets Django up."""

from __future__ import annotations

from common.processes import end_with
from llmplatform.asgi import application
from llmplatform.policy.base import App


def application_of(parent: int) -> App:
    """The processes end with their parent even if that is killed."""
    end_with(parent)
    return application
