import pytest

from monitoring.live import traffic
from monitoring.live.traffic import TrafficReport

NOON = 1_700_000_000


def report(at=NOON, seconds=1.0, **models):
    return TrafficReport(at, seconds, models)


def of_model(requests=1, in_flight=2):
    counts = {"errors": 0, "prompt_tokens": 3, "completion_tokens": 4}
    return {"requests": requests, "in_flight": in_flight, **counts}


def test_encoded_report_is_decoded():
    original = report(m=of_model(), other=of_model(5))
    assert traffic.fresh_reports({b"w": original.encode().encode()}, NOON) == {
        b"w": original
    }


@pytest.mark.parametrize(
    ("age", "fresh", "expired"),
    [
        (0, True, False),
        (2.9, True, False),
        (3.1, False, False),
        (61, False, True),
        (-2, True, False),
        (-61, False, True),
    ],
)
def test_old_reports_are_ignored_and_then_expire(age, fresh, expired):
    fields = {b"w": report(NOON - age).encode().encode()}
    assert bool(traffic.fresh_reports(fields, NOON)) == fresh
    assert traffic.expired_writers(fields, NOON) == ([b"w"] if expired else [])


@pytest.mark.parametrize(
    "text", [b"", b"x", b"[]", b"{}", b'{"at":"x","seconds":1,"models":{}}', b"\xff"]
)
def test_reports_of_another_version_expire(text):
    assert traffic.fresh_reports({b"w": text}, NOON) == {}
    assert traffic.expired_writers({b"w": text}, NOON) == [b"w"]


def test_rates_are_summed_over_gateways():
    one = report(seconds=1, a=of_model(4, in_flight=2))
    late = report(seconds=2, a=of_model(4, in_flight=3), b=of_model(1))
    rates = traffic.rates([one, late])
    assert (rates["a"]["requests"], rates["a"]["in_flight"]) == (6, 5)
    assert rates["b"]["requests"] == 0.5


def test_distributions_are_no_rates():
    counts = {**of_model(), "response_time": {"sum": 1.0, "counts": {"3": 1}}}
    assert "response_time" not in traffic.rates([report(a=counts)])["a"]
