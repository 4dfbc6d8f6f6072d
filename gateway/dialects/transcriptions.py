"""Transcriptions of speech: a form with a file, passed through to engines that have
them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from common.problems import Problem, wrong_type
from common.request_fields.checks import Check, choice, of_type, text
from common.request_fields.dialect import Body
from gateway.dialects import offers
from gateway.dialects.base import EngineRequest
from gateway.dialects.payload import unknown_problems
from gateway.dialects.responses.responses import as_of_chat
from gateway.engines.errors import parse_response
from gateway.errors import GatewayError, validation_error
from gateway.protocol.fields import UNUSED
from gateway.protocol.multipart import (
    InvalidFormError,
    Part,
    read_form,
    write_form,
)
from gateway.protocol.sse import DONE, event_data
from gateway.protocol.validation import missing, validate
from gateway.routes.table import Route
from gateway.usage.tracker import RequestStats, Usage

MAX_PROMPT_BYTES = 64 * 1024
FILE = "file"
MANY = "[]"  # ends the names of fields that may be repeated
SWITCH = choice("true", "false")


def _fraction(name: str, value: object) -> Problem | None:
    try:
        is_fraction = 0 <= float(str(value)) <= 1
    except ValueError:
        is_fraction = False
    return None if is_fraction else wrong_type(name, value, "number from 0 to 1")


FIELDS: Mapping[str, Check] = {
    "model": of_type(str, "string"),
    FILE: lambda _name, _value: None,
    "language": text(32),
    "prompt": text(MAX_PROMPT_BYTES),
    "response_format": choice("json", "verbose_json"),
    "temperature": _fraction,
    "timestamp_granularities[]": choice("word", "segment"),
    "stream": SWITCH,
    **UNUSED,
}


@dataclass(frozen=True, slots=True)
class Form:
    """body: the fields as strings, without files."""

    boundary: bytes
    parts: list[Part]
    body: Body


def parse(content: bytes, content_type: bytes) -> Form:
    """Raises GatewayError invalid_form."""
    try:
        boundary, parts = read_form(content, content_type)
    except InvalidFormError as error:
        raise GatewayError(400, "invalid_form", {"detail": str(error)}) from None
    fields = (part for part in parts if not part.is_file)
    body = {part.name: bytes(part.value).decode(errors="replace") for part in fields}
    return Form(boundary, parts, body)


def build_request(
    form: Form, _body: Body, route: Route, stats: RequestStats
) -> EngineRequest:
    """Raises GatewayError."""
    offers.require(route, "transcriptions")
    if problems := [
        *unknown_problems(form.body, FIELDS, bool(route.replicas)),
        *validate(form.body, FIELDS),
        *_file_problems(form),
    ]:
        raise validation_error(*problems)
    sent = FIELDS.keys() - UNUSED.keys()
    parts = (_named(part, route) for part in form.parts if part.name in sent)
    return EngineRequest(
        path=route.dialect.paths.get("transcriptions", ""),
        content=write_form(form.boundary, parts),
        content_type=f"multipart/form-data; boundary={form.boundary.decode()}",
        stream=form.body.get("stream") == "true",
        translator=TranscriptTranslator(stats),
    )


def _file_problems(form: Form) -> Iterator[Problem]:
    """A field that came twice may be read in two ways."""
    names = Counter(part.name for part in form.parts)
    for name, count in names.items():
        if count > 1 and not name.endswith(MANY):
            yield wrong_type(name, count, "a single value")
    yield from missing(dict(names), [FILE])
    for part in form.parts:
        if part.is_file != (part.name == FILE):
            expected = "file" if part.name == FILE else "string"
            yield wrong_type(part.name, "", expected)


def _named(part: Part, route: Route) -> Part:
    """The engine knows the model's name, but not its aliases."""
    if part.name != "model":
        return part
    return replace(part, value=memoryview(route.name.encode()))


class TranscriptTranslator:
    def __init__(self, stats: RequestStats) -> None:
        self.done = False
        self._stats = stats

    def translate_body(self, content: bytes) -> bytes:
        self._record(parse_response(content))
        return content

    def passes(self, events: bytes) -> bool:
        return False

    def translate_event(self, event: bytes) -> bytes:
        data = event_data(event)
        if data == DONE or b'"transcript.text.done"' in data:
            self.done = True
        if b'"usage"' in data or b'"error"' in data:
            self._record(parse_response(data))
        return event

    def _record(self, response: Body) -> None:
        usage = response.get("usage")
        if isinstance(usage, dict):
            usage = as_of_chat(usage) if "input_tokens" in usage else usage
            self._stats.usage = Usage.parse(usage) or self._stats.usage
