import pytest

from gateway.usage.tracker import Usage, UsageTracker
from monitoring.metrics import COUNTERS, HISTOGRAMS
from tests.gateway.client import a_grant, a_route

ROUTE, GRANT = a_route(), a_grant()
USED = Usage(prompt_tokens=3, completion_tokens=4)


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4, 7)),
        ({"prompt_tokens": 3, "total_tokens": 3}, (3, 0, 3)),
        ({"prompt_tokens": "3", "completion_tokens": None}, (0, 0, 0)),
        ({}, (0, 0, 0)),
    ],
)
def test_usage_is_read(value, usage):
    found = Usage.parse(value)
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == usage


DETAILS = ({"cached_tokens": 2}, {"reasoning_tokens": 1})


@pytest.mark.parametrize(
    ("prompt", "completion", "counts"),
    [
        (*DETAILS, (2, 1)),
        (None, None, (0, 0)),
        ([], "x", (0, 0)),
        ({"cached_tokens": None}, {"reasoning_tokens": -1}, (0, 0)),
    ],
)
def test_details_of_usage_are_read(prompt, completion, counts):
    value = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    }
    found = Usage.parse(value)
    assert (found.cached_tokens, found.reasoning_tokens) == counts


@pytest.mark.parametrize("value", [None, 5, "x", []])
def test_anything_but_a_usage_object_is_none(value):
    assert Usage.parse(value) is None


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
def test_request_is_counted_once_by_outcome(status, cancelled, kind):
    tracker = UsageTracker()
    with tracker.track(ROUTE, GRANT) as stats:
        assert tracker.counts[7].in_flight == 1
        stats.status, stats.cancelled = status, cancelled
        stats.usage = Usage(prompt_tokens=1, completion_tokens=2)
    found = tracker.drain()[7]
    assert {end: getattr(found, end) for end in ENDS if getattr(found, end)} == (
        {kind: 1} if kind else {}
    )
    assert (found.requests, found.in_flight) == (1, 0)
    assert (found.prompt_tokens, found.completion_tokens) == (1, 2)
    assert ("response_time" in found.durations) == (kind is None)


def test_request_that_raises_is_no_longer_in_flight():
    tracker = UsageTracker()
    with pytest.raises(ValueError, match="x"), tracker.track(ROUTE, GRANT):
        raise ValueError("x")
    assert tracker.drain()[7].in_flight == 0


def test_drained_counts_are_not_returned_again():
    tracker = UsageTracker()
    with tracker.track(ROUTE, GRANT):
        pass
    assert tracker.drain()[7].requests == 1
    assert tracker.drain() == {}


def test_request_that_spans_intervals_counts_in_the_last():
    tracker = UsageTracker()
    with tracker.track(ROUTE, GRANT):
        first = tracker.drain()[7]
        second = tracker.drain()[7]
    assert (first.requests, first.in_flight) == (second.requests, second.in_flight)
    last = tracker.drain()[7]
    assert (first.requests, first.in_flight) == (0, 1)
    assert (last.requests, last.in_flight) == (1, 0)


def test_seconds_in_flight_sum_over_requests():
    tracker = UsageTracker()
    with tracker.track(ROUTE, GRANT), tracker.track(ROUTE, GRANT):
        tracker.counts[7].updated_at -= 10
        first = tracker.drain()[7]
        tracker.counts[7].updated_at -= 1
    second = tracker.drain()[7]
    assert first.request_seconds_in_flight == pytest.approx(20, abs=0.9)
    assert second.request_seconds_in_flight == pytest.approx(2, abs=0.9)


def a_request(*, tokens, first_after, last_after):
    tracker = UsageTracker()
    with tracker.track(ROUTE, GRANT) as stats:
        stats.started_at -= 100
        stats.usage = Usage(completion_tokens=tokens)
        if first_after is not None:
            stats.record_tokens()
            stats.first_token_at = stats.started_at + first_after
            stats.last_token_at = stats.started_at + last_after
    return {k: v["sum"] for k, v in tracker.drain()[7].durations.items()}


@pytest.mark.parametrize(
    ("tokens", "first_after", "last_after", "times"),
    [
        (11, 0.5, 2.5, {"time_to_first_token": 0.5, "time_per_token": 0.2}),
        (1, 0.5, 0.5, {"time_to_first_token": 0.5}),
        (0, 0.5, 0.5, {"time_to_first_token": 0.5}),
        (0, None, None, {}),
    ],
)
def test_token_durations(tokens, first_after, last_after, times):
    found = a_request(tokens=tokens, first_after=first_after, last_after=last_after)
    assert found == pytest.approx({"response_time": 100, **times}, abs=0.05)


def test_parts_of_prompts_and_answers_are_counted():
    tracker = UsageTracker()
    for _ in range(2):
        with tracker.track(ROUTE, GRANT) as stats:
            stats.usage = Usage(cached_tokens=2, reasoning_tokens=3)
    found = tracker.drain()[7]
    assert (found.cached_tokens, found.reasoning_tokens) == (4, 6)


def test_names_match_the_metrics():
    tracker = UsageTracker()
    with tracker.track(ROUTE, GRANT):
        pass
    found = tracker.drain()[7]
    assert {name for name in COUNTERS["model"] if hasattr(found, name)} >= {
        "requests",
        "request_seconds_in_flight",
        *ENDS,
    }
    assert found.durations.keys() <= HISTOGRAMS["model"].keys()


@pytest.mark.parametrize(
    ("usage", "seen", "cancelled", "counted"),
    [
        (Usage(), 0, True, Usage()),
        (Usage(), 5, True, Usage(completion_tokens=5)),
        (USED, 9, True, USED),
        (Usage(), 0, False, Usage()),
        (Usage(), 1, False, Usage()),
        (Usage(), 5, False, Usage(completion_tokens=3)),
        (USED, 9, False, USED),
    ],
)
def test_tokens_seen_count_where_the_engine_reports_none(
    usage, seen, cancelled, counted
):
    tracker = UsageTracker()
    with tracker.track(ROUTE, GRANT) as stats:
        stats.usage, stats.cancelled = usage, cancelled
        stats.record_tokens(seen)
    found = tracker.drain()[7]
    (entry,) = tracker.by_token.drain().values()
    for each in (found, entry):
        numbers = each.prompt_tokens, each.completion_tokens
        assert numbers == (counted.prompt_tokens, counted.completion_tokens)
