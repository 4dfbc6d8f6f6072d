import pytest

from gateway.protocol.sse import (
    MAX_EVENT_BYTES,
    Events,
    EventTooLongError,
    data_of,
    event_of,
    object_of,
)

UNIX = b'data: {"a": "\xe4\xbd\xa0"}\n\n: ping\n\ndata: [DONE]\n\n'
WINDOWS = UNIX.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("stream", [UNIX, WINDOWS], ids=["LF", "CRLF"])
def test_events_are_the_same_however_bytes_are_split(stream):
    whole = Events().feed(stream)
    assert len(whole) == 3
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            events = Events()
            parts = (stream[:first], stream[first:second], stream[second:])
            assert [e for part in parts for e in events.feed(part)] == whole
            assert events.end() == []


@pytest.mark.parametrize("stream", [UNIX, WINDOWS], ids=["LF", "CRLF"])
def test_events_come_byte_by_byte(stream):
    events = Events()
    found = [e for i in range(len(stream)) for e in events.feed(stream[i : i + 1])]
    assert b"".join(found) == stream


def test_end_gives_what_lacks_its_blank_line():
    events = Events()
    assert events.feed(b"data: [DONE]\n") == []
    assert [data_of(event) for event in events.end()] == [b"[DONE]"]


def test_event_without_end_is_not_kept_for_ever():
    events = Events()
    events.feed(b"x" * MAX_EVENT_BYTES)
    with pytest.raises(EventTooLongError):
        events.feed(b"x")


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
def test_data_is_what_follows_its_name(event, data):
    assert data_of(event) == data


@pytest.mark.parametrize(
    ("data", "found"),
    [(b'{"a": 1}', {"a": 1}), (b"null", {}), (b"[]", {}), (b"{", {}), (b"", {})],
)
def test_object_is_empty_for_anything_else(data, found):
    assert object_of(data) == found


def test_event_has_a_kind_where_it_matters():
    assert event_of(b"{}") == b"data: {}\n\n"
    assert event_of(b"{}", b"error") == b"event: error\ndata: {}\n\n"
