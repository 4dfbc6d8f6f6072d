"""The API's JSON parser, which rejects deeply nested documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import parsers
from rest_framework.exceptions import ParseError

from common.messages import render
from common.storable import MAX_DEPTH


class JSONParser(parsers.JSONParser):
    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            message = render("too_deep", {"key": "JSON", "max": MAX_DEPTH})
            raise ParseError(message, code="too_deep") from None
