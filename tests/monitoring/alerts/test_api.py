import json
import re
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.alerts.models import Alert, AlertReadMark, AlertRule
from monitoring.history.aggregation.bucket_values import add_number
from monitoring.models import Bucket1m
from tests.api import administrator, client_of, codes, operator, send
from tests.builders import a_user
from tests.monitoring.alerts.builders import (
    a_channel,
    a_rule,
    a_source,
    an_alert,
    remove_default_rules,
    rule_fields,
)
from tests.monitoring.alerts.test_validation import WRONG

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_default_rules(db):
    remove_default_rules()


ALERTS = "/api/alerts"
RULES = "/api/alert-rules"


def ids(answer) -> list[int]:
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["results"]]


@pytest.fixture
def alerts():
    rule, now = a_rule(), timezone.now()
    day = timedelta(days=1)
    return [
        an_alert(rule),
        an_alert(rule, source_key="GPU-1", state="resolved", severity="critical",
                 fired_at=now - 3 * day, ended_at=now - 2 * day),
        an_alert(metric="model_error", source_kind="model", source_key="7",
                 source_name="smol", severity="info", acknowledged_at=now),
        an_alert(state="pending", source_key="GPU-3", fired_at=None),
    ]  # fmt: skip


def at(days: float) -> str:
    moment = timezone.now() + timedelta(days=days)
    return moment.isoformat().replace("+", "%2B")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [3, 2, 1, 0]),
        ("?ordering=id", [0, 1, 2, 3]),
        ("?state=firing", [2, 0]),
        ("?state=firing,resolved", [2, 1, 0]),
        ("?severity=critical", [1]),
        ("?source_kind=model", [2]),
        ("?source=GPU-1", [1]),
        ("?source=GPU-1&source=7", [2, 1]),
        ("?metric=model_error", [2]),
        ("?metric=model_error,gpu_temperature", [3, 2, 1, 0]),
        ("?acknowledged=true", [2]),
        ("?acknowledged=false", [3, 1, 0]),
        ("?search=smol", [2]),
        ("?until=-2", [1]),
        ("?since=-2.5&until=1", [2, 1, 0]),
        ("?since=-1&until=1", [2, 0]),
        ("?page_size=1&page=2", [2]),
    ],
)
def test_alerts_are_filtered_and_newest_first(alerts, query, found):
    """since, until: in days from now."""
    query = re.sub("(?<=since=|until=)[-.0-9]+", lambda days: at(float(days[0])), query)
    listed = ids(client_of(a_user("viewer")).get(f"{ALERTS}{query}"))
    assert listed == [alerts[index].pk for index in found]


def test_alerts_of_a_rule(alerts):
    rule = AlertRule.objects.get()
    listed = ids(operator().get(f"{ALERTS}?rule={rule.pk}"))
    assert listed == [alerts[1].pk, alerts[0].pk]


@pytest.mark.parametrize(
    "query",
    ["state=red", "severity=1", "rule=x", "rule=0", "rule=99999999999999999999",
     "since=yesterday", "until=", "metric=heat", "acknowledged=perhaps",
     "ordering=value"],
)  # fmt: skip
def test_filters_refuse_what_they_do_not_know(query):
    answer = operator().get(f"{ALERTS}?{query}")
    assert answer.status_code == 400
    assert codes(answer)[0][0] == query.partition("=")[0]


def test_list_takes_few_queries(alerts, django_assert_max_num_queries):
    client = operator()
    with django_assert_max_num_queries(8):
        assert len(ids(client.get(ALERTS))) == 4


def test_alert_shows_its_sentence_in_the_language_of_the_request():
    alert = an_alert(rule_name="GPU temperature above 80 °C", preset="gpu_temperature")
    client = operator()
    shown = client.get(f"{ALERTS}/{alert.pk}").json()
    assert shown["sentence"] == "GPU temperature of 0 H100 is 84 °C (threshold 80 °C)"
    assert shown["source"] == {"kind": "gpu", "key": "GPU-0", "name": "0 H100"}
    headers = {"accept-language": "zh-hans"}
    assert (
        client.get(f"{ALERTS}/{alert.pk}", headers=headers).json()["rule_name"]
        == "GPU温度超过80°C"
    )


def test_operators_acknowledge_and_silence():
    alert, client = an_alert(), operator()
    url = f"{ALERTS}/{alert.pk}"
    assert client.post(f"{url}/acknowledge").json()["acknowledged_by"] == "operator"
    until = (timezone.now() + timedelta(hours=2)).isoformat()
    answer = client.post(f"{url}/silence", {"until": until}, format="json")
    assert answer.json()["silenced_by"] == "operator"
    assert client.post(f"{url}/unsilence").json()["silenced_until"] is None
    assert client.post(f"{url}/unsilence").status_code == 409
    Alert.objects.update(state="resolved")
    answer = client.post(f"{url}/acknowledge")
    assert (answer.status_code, answer.json()["code"]) == (409, "alert_not_firing")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "required"),
        ({"until": "soon"}, "invalid"),
        ({"until": None}, "null"),
        ({"until": "2020-01-01T00:00:00Z"}, "alert_silence_end"),
        ({"until": "2999-01-01T00:00:00Z"}, "alert_silence_end"),
    ],
)
def test_silence_needs_an_end(body, code):
    alert = an_alert()
    answer = send(operator(), "POST", f"{ALERTS}/{alert.pk}/silence", body)
    assert answer.status_code == 400
    assert codes(answer) == [("until", code)]
    alert.refresh_from_db()
    assert alert.silenced_until is None


def test_reading_is_marked_for_the_caller():
    user = a_user("viewer", date_joined=timezone.now() - timedelta(days=1))
    client = client_of(user)
    an_alert()
    assert client.get(f"{ALERTS}/unread").json() == {"count": 1}
    assert client.post(f"{ALERTS}/mark-read").status_code == 204
    assert client.get(f"{ALERTS}/unread").json() == {"count": 0}
    assert AlertReadMark.objects.get().user == user


# Rules


def test_rule_is_created_read_changed_and_deleted():
    a_source()
    channel, client = a_channel(), administrator()
    fields = rule_fields(scope=["gpu:GPU-0"], channels=[channel.pk], clear_threshold=75)
    answer = send(client, "POST", RULES, fields)
    assert answer.status_code == 201, answer.json()
    made = answer.json()
    assert {name: made[name] for name in fields} == fields
    assert made["channel_names"] == ["bell"]
    assert made["state"] == "ok"
    assert made["sentence"] == "GPU temperature above 80 °C for 2 minutes on 0 H100"
    url = f"{RULES}/{made['id']}"
    changed = send(client, "PATCH", url, {"threshold": 85, "channels": []}).json()
    assert (changed["threshold"], changed["channels"]) == (85.0, [])
    assert send(client, "PUT", url, fields).json()["threshold"] == 80.0
    assert client.get(RULES).json()["count"] == 1
    assert client.delete(url).status_code == 204
    assert not AlertRule.objects.exists()


@pytest.mark.parametrize(("fields", "field", "code"), WRONG)
def test_wrong_rule_is_refused_and_nothing_is_saved(fields, field, code):
    a_source()
    client = administrator()
    answer = send(client, "POST", RULES, rule_fields(**fields))
    assert answer.status_code == 400
    named = {name.partition(".")[0] for name, _ in codes(answer)}
    is_json = not re.search("NaN|Infinity", json.dumps(fields))
    assert named == ({field} if is_json else set())
    assert not AlertRule.objects.exists()
    rule = a_rule("Warm", threshold=80.0, comparison=">")
    answer = send(client, "PATCH", f"{RULES}/{rule.pk}", fields)
    assert answer.status_code == 400
    rule.refresh_from_db()
    assert (rule.name, rule.threshold) == ("Warm", 80.0)


def test_number_beyond_all_floats_is_refused():
    body = json.dumps(rule_fields(threshold=1)).replace(": 1,", ": 1e999,")
    answer = administrator().generic("POST", RULES, body, "application/json")
    assert codes(answer) == [("threshold", "wrong_type")]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"state": "firing", "stat": 1}, ("stat", "unknown_field")),
        ({"enabled": "yes"}, ("enabled", "invalid")),
        ({"name": ""}, ("name", "blank")),
        ({"name": "x" * 101}, ("name", "max_length")),
        ({"threshold": None}, ("threshold", "null")),
    ],
)
def test_wrong_types_are_refused(fields, error):
    answer = send(administrator(), "POST", RULES, rule_fields(**fields))
    assert answer.status_code == 400
    assert codes(answer) == [error]


def test_state_cannot_be_written():
    answer = send(administrator(), "POST", RULES, rule_fields(state="firing"))
    assert answer.json()["state"] == "ok"


def test_list_of_rules_takes_few_queries(django_assert_max_num_queries):
    a_source()
    for number in range(10):
        a_rule(f"Hot {number}", scope=["gpu:GPU-0"])
    client = administrator()
    with django_assert_max_num_queries(10):
        assert len(ids(client.get(RULES))) == 10


@pytest.mark.parametrize("path", [f"{ALERTS}/9", f"{RULES}/9", f"{RULES}/{'9' * 18}"])
def test_unknown_id_is_not_found(path):
    answer = administrator().get(path)
    assert answer.status_code == 404
    assert path.rpartition("/")[2] in answer.json()["message"]


# Backtest

BACKTEST = f"{RULES}/backtest"


def a_hot_hour():
    """A GPU at 90 °C for the hour before last, else at 60 °C."""
    source = a_source(metrics=["gpu_temperature"])
    now = int(time.time()) // 60 * 60
    rows = []
    for start in range(now - 5 * 3600, now, 60):
        values = {}
        hot = now - 2 * 3600 <= start < now - 3600
        add_number(values, "gpu_temperature", 90.0 if hot else 60.0)
        rows.append(
            Bucket1m(source=source, start=start, values=json.dumps(values), touched=now)
        )
    Bucket1m.objects.bulk_create(rows)


def test_backtest_counts_what_would_have_fired():
    a_hot_hour()
    client = administrator()
    answer = send(client, "POST", BACKTEST, rule_fields(days=7))
    assert answer.status_code == 200, answer.json()
    found = answer.json()
    assert found["fired"] == 1
    assert found["seconds"] == pytest.approx(3600, abs=300)
    [episode] = found["episodes"]
    assert episode["source"] == {"kind": "gpu", "key": "GPU-0", "name": "0 H100"}
    assert found["message"].startswith(
        "In the last 7 days this rule would have fired once, for "
    )
    answer = send(client, "POST", BACKTEST, rule_fields(threshold=95))
    assert answer.json()["message"] == (
        "In the last 7 days this rule would not have fired."
    )
    assert not AlertRule.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field", "code"), [row for row in WRONG if row[1] != "name"]
)
def test_backtest_of_a_wrong_rule_is_refused(fields, field, code):
    a_source()
    answer = send(administrator(), "POST", BACKTEST, rule_fields(**fields))
    assert answer.status_code == 400


@pytest.mark.parametrize("days", [0, 31, "7", 1.5])
def test_backtest_covers_1_to_30_days(days):
    answer = send(administrator(), "POST", BACKTEST, rule_fields(days=days))
    assert answer.status_code == 400
    assert codes(answer)[0][0] == "days"


def test_backtest_of_a_saved_rule_keeps_its_scope():
    rule = a_rule(scope=["gpu:gone"])
    fields = rule_fields(scope=["gpu:gone"])
    client = administrator()
    assert send(client, "POST", BACKTEST, fields).status_code == 400
    assert send(client, "POST", BACKTEST, {**fields, "id": rule.pk}).status_code == 200
    assert send(client, "POST", BACKTEST, {**fields, "id": 999999}).status_code == 404
