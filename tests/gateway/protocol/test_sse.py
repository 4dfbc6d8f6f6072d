import pytest

from gateway.protocol.sse import (
    MAX_EVENT_BYTES,
    EventSplitter,
    EventTooLongError,
    event_data,
    format_event,
    parse_object,
)

UNIX = b'data: {"a": "\xe4\xbd\xa0"}\n\n: ping\n\ndata: [DONE]\n\n'
WINDOWS = UNIX.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("stream", [UNIX, WINDOWS], ids=["LF", "CRLF"])
def test_events_are_the_same_however_bytes_are_split(stream):
    complete = EventSplitter().feed(stream)
    assert len(complete) == 3
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            splitter = EventSplitter()
            parts = (stream[:first], stream[first:second], stream[second:])
            assert [e for part in parts for e in splitter.feed(part)] == complete
            assert splitter.flush() == []


@pytest.mark.parametrize("stream", [UNIX, WINDOWS], ids=["LF", "CRLF"])
def test_events_come_byte_by_byte(stream):
    splitter = EventSplitter()
    found = [e for i in range(len(stream)) for e in splitter.feed(stream[i : i + 1])]
    assert b"".join(found) == stream


def test_flush_returns_an_event_without_its_blank_line():
    splitter = EventSplitter()
    assert splitter.feed(b"data: [DONE]\n") == []
    assert [event_data(event) for event in splitter.flush()] == [b"[DONE]"]


def test_event_without_end_is_bounded():
    splitter = EventSplitter()
    splitter.feed(b"x" * MAX_EVENT_BYTES)
    with pytest.raises(EventTooLongError):
        splitter.feed(b"x")


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: {}\n\n", b"{}"),
        (b"data:{}\r\n\r\n", b"{}"),
        (b"event: x\nid: 1\ndata: a\ndata: b\n\n", b"a\nb"),
        (b": comment\n\n", b""),
        (b"\n\n", b""),
    ],
)
def test_data_of_an_event(event, data):
    assert event_data(event) == data


@pytest.mark.parametrize(
    ("data", "found"),
    [(b'{"a": 1}', {"a": 1}), (b"null", {}), (b"[]", {}), (b"{", {}), (b"", {})],
)
def test_anything_but_an_object_is_empty(data, found):
    assert parse_object(data) == found


def test_event_may_have_a_name():
    assert format_event(b"{}") == b"data: {}\n\n"
    assert format_event(b"{}", b"error") == b"event: error\ndata: {}\n\n"
