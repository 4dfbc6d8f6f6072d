import time
from datetime import timedelta

import pytest
from django.db.models.signals import pre_save
from django.utils import timezone

from monitoring.alerts.manager import PENDING_TOLERANCE_S, Manager
from monitoring.alerts.models import Alert, AlertRule, Delivery
from monitoring.alerts.presets import PRESETS
from monitoring.metrics import METRICS
from tests.monitoring.alerts.builders import GPU, make_channel, make_rule, put

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def only_own_rules(db):
    AlertRule.objects.all().delete()


@pytest.fixture
def now():
    return time.time()


def evaluate(manager, value, at, **options):
    put(manager, value, at, **options)
    manager.evaluate(at)


def states():
    return list(Alert.objects.order_by("pk").values_list("state", flat=True))


def test_alert_from_pending_to_resolved(now):
    channel = make_channel()
    rule = make_rule(for_s=60, channels=[channel])
    manager = Manager()
    evaluate(manager, 85, now)
    assert states() == ["pending"]
    evaluate(manager, 95, now + 30)
    assert Delivery.objects.count() == 0
    evaluate(manager, 90, now + 60)
    alert = Alert.objects.get()
    assert (alert.state, alert.rule, alert.source_key) == ("firing", rule, "GPU-1")
    assert (alert.value, alert.peak) == (90, 95)
    assert alert.fired_at - alert.started_at == timedelta(seconds=60)
    assert alert.ended_at is None
    [sent] = Delivery.objects.all()
    assert (sent.channel, sent.state) == (channel, "queued")
    assert sent.alerts == [{"uid": alert.uid, "event": "firing"}]
    sent.state = "done"
    sent.save()
    evaluate(manager, 70, now + 90)
    alert.refresh_from_db()
    assert (alert.state, alert.peak) == ("resolved", 95)
    assert alert.ended_at - alert.fired_at == timedelta(seconds=30)
    assert Delivery.objects.order_by("pk").last().alerts == [
        {"uid": alert.uid, "event": "resolved"}
    ]


def test_pending_alert_that_clears_leaves_nothing(now):
    make_rule(for_s=60, channels=[make_channel()])
    manager = Manager()
    evaluate(manager, 85, now)
    evaluate(manager, 70, now + 1)
    assert (Alert.objects.count(), Delivery.objects.count()) == (0, 0)


@pytest.mark.parametrize("restart_after", range(6))
def test_restart_at_any_step_changes_nothing(now, restart_after):
    make_rule(for_s=60, keep_firing_for_s=60)
    values = [85, 95, 85, 70, 70, 70]
    manager = Manager()
    seen = []
    for index, value in enumerate(values):
        evaluate(manager, value, now + 30 * index)
        seen.append(states())
        if index == restart_after:
            manager = Manager()
    assert seen == [
        ["pending"], ["pending"], ["firing"], ["firing"], ["firing"], ["resolved"],
    ]  # fmt: skip


def test_pending_alert_of_long_ago_starts_again(now):
    make_rule(for_s=60)
    evaluate(Manager(), 85, now)
    evaluate(Manager(), 85, now + PENDING_TOLERANCE_S + 60)
    alert = Alert.objects.get()
    assert alert.state == "pending"
    assert alert.started_at.timestamp() == pytest.approx(now + 3660, abs=1)


def test_step_that_fails_is_repeated(now, django_db_blocker):
    make_rule(channels=[make_channel()])
    manager = Manager()
    evaluate(manager, 70, now)
    put(manager, 85, now + 1)
    with django_db_blocker.block(), pytest.raises(RuntimeError):
        manager.evaluate(now + 1)
    manager.evaluate(now + 2)
    assert states() == ["firing"]
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({"threshold": 75}, ["firing"]),
        ({"threshold": 95}, ["resolved"]),
        ({"for_s": 600}, ["firing"]),
        ({"name": "Other"}, ["firing"]),
        ({"enabled": False}, ["resolved"]),
        ({"metric": "gpu_power"}, ["resolved"]),
        ({"scope": ["gpu:GPU-1"]}, ["firing"]),
        ({"scope": ["gpu:GPU-2"]}, ["resolved"]),
    ],
)
def test_edited_rule_does_not_fire_again(now, changes, after):
    rule = make_rule(channels=[make_channel()])
    manager = Manager()
    evaluate(manager, 85, now)
    Delivery.objects.update(state="done")
    for name, value in changes.items():
        setattr(rule, name, value)
    rule.save()
    evaluate(manager, 85, now + 1)
    assert states() == after
    fired = [e for d in Delivery.objects.all() for e in d.alerts]
    assert [e["event"] for e in fired].count("firing") == 1


def test_deleted_rule_ends_its_alerts_and_keeps_them(now):
    rule = make_rule()
    manager = Manager()
    evaluate(manager, 85, now)
    rule.delete()
    evaluate(manager, 85, now + 1)
    alert = Alert.objects.get()
    assert (alert.state, alert.rule, alert.rule_name) == ("resolved", None, rule.name)


def test_scope_limits_sources(now):
    make_rule(scope=["gpu:GPU-2"])
    manager = Manager()
    evaluate(manager, 85, now)
    assert states() == []
    evaluate(manager, 85, now, source=("gpu", "GPU-2"))
    assert states() == ["firing"]


def test_series_without_data_is_a_state_of_its_own(now):
    rule = make_rule()
    manager = Manager()
    evaluate(manager, 85, now)
    evaluate(manager, None, now + 20)
    assert states() == ["no_data"]
    evaluate(Manager(), None, now + 40)
    assert states() == ["no_data"]
    rule.refresh_from_db()
    assert rule.state in {"no_data", "firing"}


@pytest.mark.parametrize(
    ("values", "state"),
    [([], "no_data"), ([70], "ok"), ([70, 85], "firing"), ([85, 70], "ok")],
)
def test_state_of_a_rule(now, values, state):
    rule = make_rule()
    manager = Manager()
    manager.evaluate(now - 60)
    for index, value in enumerate(values):
        evaluate(manager, value, now + 20 * index)
    rule.refresh_from_db()
    assert rule.state == state


def test_clock_that_jumps_fires_nothing(now):
    make_rule(for_s=600)
    manager = Manager()
    evaluate(manager, 85, now)
    manager.follow_clock(now + 86_400)
    evaluate(manager, 85, now + 86_400)
    assert states() == ["pending"]
    evaluate(manager, 85, now + 86_400 + 600)
    assert states() == ["firing"]


def test_too_few_requests_are_no_data(now):
    make_rule(metric="error_ratio", aggregate="avg", threshold=5, min_count=20)
    manager = Manager()
    source = ("model", "7")
    for number, expected in ((19, []), (20, ["firing"])):
        values = {
            "requests": [number, number, number, 1],
            "errors": [number, number, number, 1],
        }
        manager.windows.put(source, "smol", int(now) // 10 * 10, str(number), values)
        manager.windows.buckets[source][int(now) // 10 * 10] = {"w": values}
        manager.evaluate(now)
        assert states() == expected


class TestPresets:
    def test_metrics_exist(self):
        for fields in PRESETS.values():
            assert fields["metric"] in METRICS

    def test_they_are_created_once(self, default_rules, db):
        assert set(AlertRule.objects.values_list("preset", flat=True)) == set(PRESETS)
        assert all(rule.channels.count() == 1 for rule in AlertRule.objects.all())


def test_source_is_named(now):
    make_rule()
    manager = Manager()
    put(manager, 85, now)
    manager.windows.names[GPU] = "0 H100"
    manager.evaluate(now)
    assert Alert.objects.get().source_name == "0 H100"


def test_what_people_write_meanwhile_stays(now):
    make_rule(channels=[make_channel()])
    manager = Manager()
    evaluate(manager, 85, now)

    def acknowledge(sender, instance, **_):
        Alert.objects.filter(pk=instance.pk).update(acknowledged_by="op")

    pre_save.connect(acknowledge, sender=Alert)
    try:
        evaluate(manager, None, now + 20)
    finally:
        pre_save.disconnect(acknowledge, sender=Alert)
    alert = Alert.objects.get()
    assert (alert.state, alert.acknowledged_by) == ("no_data", "op")


def test_silenced_series_stays_silent_when_it_fires_again(now):
    make_rule(channels=[make_channel()])
    manager = Manager()
    evaluate(manager, 85, now)
    Alert.objects.update(
        silenced_until=timezone.now() + timedelta(hours=1), silenced_by="op"
    )
    evaluate(manager, 70, now + 20)
    Delivery.objects.all().delete()
    evaluate(manager, 85, now + 40)
    assert Alert.objects.order_by("pk").last().silenced_by == "op"
    assert Delivery.objects.count() == 0


def test_end_that_another_process_has_written_is_not_sent_again(now):
    make_rule(channels=[make_channel()])
    first, second = Manager(), Manager()
    evaluate(first, 85, now)
    evaluate(second, 85, now)
    Delivery.objects.update(state="done")
    evaluate(first, 70, now + 20)
    evaluate(second, 70, now + 20)
    assert states() == ["resolved"]
    events = [e["event"] for d in Delivery.objects.all() for e in d.alerts]
    assert sorted(events) == ["firing", "resolved"]
