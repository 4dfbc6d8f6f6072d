from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.alerts import outbox
from monitoring.alerts.models import Alert, AlertRule, Delivery
from tests.builders import a_model, a_run
from tests.monitoring.alerts.builders import make_channel, make_rule

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def only_own_rules(db, settings):
    AlertRule.objects.all().delete()
    settings.ALERT_GROUP_SECONDS = 30


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def rule(channel):
    return make_rule(channels=[channel])


def make_alert(rule, **fields):
    now = timezone.now()
    fields = {
        "rule": rule,
        "rule_name": rule.name,
        "metric": rule.metric,
        "aggregate": rule.aggregate,
        "comparison": rule.comparison,
        "threshold": rule.threshold,
        "severity": rule.severity,
        "source_kind": "gpu",
        "source_key": f"GPU-{Alert.objects.count()}",
        "source_name": "0 H100",
        "state": "firing",
        "started_at": now,
        "fired_at": now,
        "evaluated_at": now,
        **fields,
    }
    return Alert.objects.create(**fields)


def sent():
    """Events of each message."""
    rows = Delivery.objects.exclude(state="cancelled").order_by("pk")
    return [[(e["uid"], e["event"]) for e in row.alerts] for row in rows]


def fire(*alerts):
    outbox.enqueue([(alert, "firing") for alert in alerts])


def resolve(alert):
    alert.refresh_from_db()
    outbox.enqueue([(alert, "resolved")])


def test_alerts_of_one_step_are_one_message(rule):
    alerts = [make_alert(rule) for _ in range(50)]
    fire(*alerts)
    assert sent() == [[(alert.uid, "firing") for alert in alerts]]
    assert Delivery.objects.get().is_due


def test_what_follows_waits_and_is_one_message(rule):
    fire(make_alert(rule))
    Delivery.objects.update(state="done")
    later = [make_alert(rule) for _ in range(3)]
    for alert in later:
        fire(alert)
    assert sent()[1:] == [[(alert.uid, "firing") for alert in later]]
    waiting = Delivery.objects.first()
    assert not waiting.is_due
    assert 25 < (waiting.retry_at - timezone.now()).total_seconds() <= 30


def test_message_that_is_being_sent_is_not_changed(rule):
    fire(make_alert(rule))
    Delivery.objects.update(state="running", claim="1")
    fire(make_alert(rule))
    assert [len(entries) for entries in sent()] == [1, 1]


def test_alert_that_ends_before_its_message_is_sent_is_left_out(rule):
    short, long = make_alert(rule), make_alert(rule)
    fire(short, long)
    resolve(short)
    assert sent() == [[(long.uid, "firing")]]
    resolve(long)
    assert sent() == []


def test_end_is_sent_where_the_beginning_was(rule):
    alert = make_alert(rule)
    resolve(alert)
    assert sent() == []
    fire(alert)
    Delivery.objects.update(state="done")
    resolve(alert)
    assert sent()[1:] == [[(alert.uid, "resolved")]]


def test_end_of_a_silenced_alert_is_not_sent(rule):
    alert = make_alert(rule)
    fire(alert)
    Delivery.objects.update(state="done")
    until = timezone.now() + timedelta(hours=1)
    Alert.objects.update(silenced_until=until)
    resolve(alert)
    assert len(sent()) == 1


def test_each_channel_has_its_own_message(rule, channel):
    other = make_channel()
    off = make_channel(enabled=False)
    rule.channels.set([channel, other, off])
    fire(make_alert(rule))
    channels = set(Delivery.objects.values_list("channel_id", flat=True))
    assert channels == {channel.pk, other.pk}


def test_bell_needs_no_message(rule):
    rule.channels.set([make_channel(kind="web", config={})])
    alert = make_alert(rule)
    fire(alert)
    alert.refresh_from_db()
    assert alert.web
    assert sent() == []


@pytest.mark.parametrize(
    ("fields", "ago_s", "is_sent"),
    [
        ({}, 3600, True),
        ({}, 3500, False),
        ({"acknowledged_at": timezone.now()}, 3600, False),
        ({"silenced_until": timezone.now() + timedelta(days=1)}, 3600, False),
        ({"silenced_until": timezone.now() - timedelta(seconds=1)}, 3600, True),
        ({"state": "no_data"}, 3600, False),
        ({"state": "resolved"}, 3600, False),
        ({}, None, True),
        ({"silenced_until": timezone.now() + timedelta(days=1)}, None, False),
    ],
)
def test_reminders(rule, fields, ago_s, is_sent):
    AlertRule.objects.update(repeat_interval_s=3600)
    notified = ago_s and timezone.now() - timedelta(seconds=ago_s)
    make_alert(rule, notified_at=notified, **fields)
    outbox.enqueue_reminders()
    assert len(sent()) == is_sent
    Delivery.objects.update(state="done")
    outbox.enqueue_reminders()
    assert len(sent()) == is_sent


def test_no_reminders_where_the_rule_has_no_interval(rule):
    AlertRule.objects.update(repeat_interval_s=0)
    make_alert(rule, notified_at=timezone.now() - timedelta(days=9))
    outbox.enqueue_reminders()
    assert sent() == []


def test_end_of_a_reminded_alert_is_sent(rule):
    AlertRule.objects.update(repeat_interval_s=60)
    alert = make_alert(rule, notified_at=timezone.now() - timedelta(seconds=60))
    outbox.enqueue_reminders()
    resolve(alert)
    assert sent() == [[(alert.uid, "resolved")]]


def ended_run(model, gpu, ago_s=0):
    ended_at = timezone.now() - timedelta(seconds=ago_s)
    fields = {"ended_at": ended_at, "end_code": "gpu_lost", "gpu_uuids": [gpu]}
    return a_run(model, "ended", **fields)


def test_lost_gpu_under_many_models_is_one_message(rule):
    gpu = make_alert(rule, preset="gpu_unavailable", source_key="GPU-9")
    models = [a_model(name=f"model-{n}") for n in range(50)]
    alerts = []
    for model in models:
        ended_run(model, "GPU-9")
        alerts.append(make_alert(rule, source_kind="model", source_key=str(model.pk)))
    fire(*alerts[:10], gpu)
    for alert in alerts[10:]:
        fire(alert)
    assert sent() == [[(gpu.uid, "firing")]]
    assert Alert.objects.filter(muted_by=gpu).count() == 50
    outbox.enqueue_reminders()
    assert len(sent()) == 1


@pytest.mark.parametrize(("key", "ago_s"), [("GPU-8", 0), ("GPU-9", 600)])
def test_other_gpu_or_earlier_end_explains_nothing(rule, key, ago_s):
    make_alert(rule, preset="gpu_unavailable", source_key="GPU-9")
    model = a_model()
    ended_run(model, key, ago_s)
    alert = make_alert(rule, source_kind="model", source_key=str(model.pk))
    fire(alert)
    assert sent() == [[(alert.uid, "firing")]]


def test_model_that_stays_in_error_is_sent_when_its_gpu_is_back(rule):
    gpu = make_alert(rule, preset="gpu_unavailable", source_key="GPU-9", web=True)
    model = a_model()
    ended_run(model, "GPU-9")
    alert = make_alert(rule, source_kind="model", source_key=str(model.pk))
    fire(alert)
    Alert.objects.filter(pk=gpu.pk).update(state="resolved", notified_at=None)
    outbox.enqueue_reminders()
    assert sent() == [[(alert.uid, "firing")]]
