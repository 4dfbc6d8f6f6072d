from io import BytesIO

import pytest
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse

from llmplatform.middleware import set_length_of_chunked_bodies


def received(body: bytes, *headers: tuple[bytes, bytes]) -> ASGIRequest:
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    return ASGIRequest(scope, BytesIO(body))


def lengths(request) -> tuple[str | None, int]:
    """Content-Length, and the length of the body."""
    seen = []

    def view(request):
        seen.append((request.META.get("CONTENT_LENGTH"), len(request.body)))
        return HttpResponse()

    set_length_of_chunked_bodies(view)(request)
    return seen[0]


def test_chunked_body_gets_its_length():
    assert lengths(received(b"x" * 7, (b"transfer-encoding", b"chunked"))) == ("7", 7)


def test_declared_length_stays():
    assert lengths(received(b"x" * 7, (b"content-length", b"7"))) == ("7", 7)


def test_limit_of_what_is_read_holds_for_chunked_bodies():
    with pytest.raises(RequestDataTooBig):
        lengths(received(b"x" * 3_000_000, (b"transfer-encoding", b"chunked")))
