import pytest

from gateway.usage.tracker import Accounting, Usage
from monitoring.metrics import COUNTERS, HISTOGRAMS


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4, 7)),
        ({"prompt_tokens": 3, "total_tokens": 3}, (3, 0, 3)),
        ({"prompt_tokens": "3", "completion_tokens": None}, (0, 0, 0)),
        ({}, (0, 0, 0)),
    ],
)
def test_usage_is_read(told, usage):
    found = Usage.of(told)
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == usage


@pytest.mark.parametrize("told", [None, 5, "x", []])
def test_what_is_no_usage_is_none(told):
    assert Usage.of(told) is None


ENDS = ("errors", "refused", "cancelled")


@pytest.mark.parametrize(
    ("status", "cancelled", "kind"),
    [
        (200, False, None),
        (400, False, "refused"),
        (409, False, "refused"),
        (500, False, "errors"),
        (502, False, "errors"),
        (503, False, "refused"),
        (504, False, "errors"),
        (200, True, "cancelled"),
    ],
)
def test_request_counts_once_by_its_end(status, cancelled, kind):
    accounting = Accounting()
    with accounting.request(7) as measured:
        assert accounting.counts[7].in_flight == 1
        measured.status, measured.cancelled = status, cancelled
        measured.usage = Usage(prompt_tokens=1, completion_tokens=2)
    found = accounting.take()[7]
    assert {end: getattr(found, end) for end in ENDS if getattr(found, end)} == (
        {kind: 1} if kind else {}
    )
    assert (found.requests, found.in_flight) == (1, 0)
    assert (found.prompt_tokens, found.completion_tokens) == (1, 2)
    assert ("response_time" in found.durations) == (kind is None)


def test_request_that_raises_is_no_longer_in_flight():
    accounting = Accounting()
    with pytest.raises(ValueError, match="x"), accounting.request(7):
        raise ValueError("x")
    assert accounting.take()[7].in_flight == 0


def test_what_was_taken_is_not_taken_again():
    accounting = Accounting()
    with accounting.request(7):
        pass
    assert accounting.take()[7].requests == 1
    assert accounting.take() == {}


def test_request_that_outlives_a_taking_ends_in_a_later_one():
    accounting = Accounting()
    with accounting.request(7):
        first = accounting.take()[7]
        second = accounting.take()[7]
    assert (first.requests, first.in_flight) == (second.requests, second.in_flight)
    last = accounting.take()[7]
    assert (first.requests, first.in_flight) == (0, 1)
    assert (last.requests, last.in_flight) == (1, 0)


def test_seconds_in_flight_are_all_requests_between_takings():
    accounting = Accounting()
    with accounting.request(7), accounting.request(7):
        accounting.counts[7].since -= 10
        first = accounting.take()[7]
        accounting.counts[7].since -= 1
    second = accounting.take()[7]
    assert first.request_seconds_in_flight == pytest.approx(20, abs=0.9)
    assert second.request_seconds_in_flight == pytest.approx(2, abs=0.9)


def a_request(*, tokens, first_after, last_after):
    accounting = Accounting()
    with accounting.request(7) as measured:
        measured.began -= 100
        measured.usage = Usage(completion_tokens=tokens)
        if first_after is not None:
            measured.see_tokens()
            measured.first_token_at = measured.began + first_after
            measured.last_token_at = measured.began + last_after
    return {k: v["sum"] for k, v in accounting.take()[7].durations.items()}


@pytest.mark.parametrize(
    ("tokens", "first_after", "last_after", "times"),
    [
        (11, 0.5, 2.5, {"time_to_first_token": 0.5, "time_per_token": 0.2}),
        (1, 0.5, 0.5, {"time_to_first_token": 0.5}),
        (0, 0.5, 0.5, {"time_to_first_token": 0.5}),
        (0, None, None, {}),
    ],
)
def test_times_of_tokens(tokens, first_after, last_after, times):
    found = a_request(tokens=tokens, first_after=first_after, last_after=last_after)
    assert found == pytest.approx({"response_time": 100, **times}, abs=0.05)


def test_names_are_those_of_the_catalogue():
    accounting = Accounting()
    with accounting.request(7):
        pass
    found = accounting.take()[7]
    assert {name for name in COUNTERS["model"] if hasattr(found, name)} >= {
        "requests",
        "request_seconds_in_flight",
        *ENDS,
    }
    assert found.durations.keys() <= HISTOGRAMS["model"].keys()
