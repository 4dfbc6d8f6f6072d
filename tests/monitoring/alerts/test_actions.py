from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.translation import override

from common.exceptions import Conflict, Invalid
from models_app.models import Activity
from monitoring.alerts import actions
from monitoring.alerts.editing import create_rule, delete_rule, update_rule
from monitoring.alerts.models import Alert, AlertRule
from tests.builders import a_model, a_user
from tests.monitoring.alerts.builders import (
    a_channel,
    a_rule,
    an_alert,
    remove_default_rules,
    rule_fields,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_default_rules(db):
    remove_default_rules()


HOUR = timedelta(hours=1)


def events() -> list[str]:
    return [event.message for event in Activity.objects.order_by("pk")]


def test_acknowledging_is_recorded_once():
    alert, first, second = an_alert(), a_user(name="ann"), a_user(name="bob")
    actions.acknowledge(alert, first)
    again = actions.acknowledge(alert, second)
    assert again.acknowledged_by == "ann"
    assert again.acknowledged_at is not None
    assert events() == ["The alert “Hot” of 0 H100 was acknowledged."]
    assert Activity.objects.get().actor_name == "ann"


@pytest.mark.parametrize("state", ["resolved", "pending"])
@pytest.mark.parametrize(
    "verb",
    [
        actions.acknowledge,
        actions.unsilence,
        lambda alert: actions.silence(alert, timezone.now() + HOUR),
    ],
)
def test_only_firing_alerts_change(state, verb):
    alert = an_alert(state=state)
    with pytest.raises(Conflict) as refused:
        verb(alert)
    assert refused.value.code == "alert_not_firing"
    assert events() == []


def test_alert_without_data_is_still_there():
    assert actions.acknowledge(an_alert(state="no_data")).acknowledged_at


def test_silence_ends_by_itself_or_by_hand():
    alert, until = an_alert(), timezone.now() + HOUR
    actions.silence(alert, until, a_user(name="ann"))
    assert (alert.silenced_by, alert.silenced_until) == ("ann", until)
    later = until + HOUR
    assert actions.silence(alert, later).silenced_until == later
    assert actions.unsilence(alert).silenced_until is None
    assert len(events()) == 3
    assert f"until {actions.iso(until)}" in events()[0]
    with pytest.raises(Conflict) as refused:
        actions.unsilence(alert)
    assert refused.value.code == "alert_not_silenced"


@pytest.mark.parametrize("days", [-1, 0, 91])
def test_silence_has_an_end_in_the_next_90_days(days):
    alert = an_alert()
    with pytest.raises(Invalid) as refused:
        actions.silence(alert, timezone.now() + timedelta(days=days))
    [problem] = refused.value.problems
    assert (problem.field, problem.code) == ("until", "alert_silence_end")
    alert.refresh_from_db()
    assert alert.silenced_until is None


def test_alert_of_a_model_is_in_its_activity():
    model = a_model()
    alert = an_alert(source_kind="model", source_key=str(model.pk), source_name="smol")
    actions.acknowledge(alert)
    assert model.activity.get().code == "alert_acknowledged"


def test_unread_alerts_are_those_since_the_last_look():
    user = a_user()
    now = timezone.now()
    an_alert(fired_at=now + HOUR)
    an_alert(fired_at=now + HOUR, web=False, source_key="GPU-1")
    an_alert(fired_at=now - HOUR, source_key="GPU-2")
    assert actions.unread(user) == 1
    Alert.objects.filter(fired_at__gt=now).update(fired_at=now + timedelta(seconds=0))
    actions.mark_read(user)
    actions.mark_read(user)
    assert actions.unread(user) == 0


def test_rules_are_created_changed_and_deleted_with_a_record():
    channel = a_channel()
    rule = create_rule(rule_fields(channels=[channel.pk], scope=["gpu:a", "gpu:a"]))
    assert (rule.scope, list(rule.channels.all())) == (["gpu:a"], [channel])
    update_rule(rule, {"threshold": 85, "severity": "warning", "channels": []})
    assert (rule.threshold, rule.channels.count()) == (85.0, 0)
    update_rule(rule, {"threshold": 85.0, "channels": []})
    delete_rule(rule)
    assert events() == [
        "The alert rule “Hot” was created.",
        "The alert rule “Hot” was changed: threshold, channels.",
        "The alert rule “Hot” was deleted.",
    ]


def test_a_change_keeps_the_state_that_the_evaluator_writes():
    rule = a_rule()
    AlertRule.objects.update(state="firing")
    update_rule(rule, {"threshold": 85})
    assert AlertRule.objects.get().state == "firing"


def test_names_that_are_taken_meanwhile_are_refused():
    a_rule("Cold")
    rule = a_rule()
    for verb in (
        lambda: create_rule(rule_fields(name="Cold")),
        lambda: update_rule(rule, {"name": "Cold"}),
    ):
        with pytest.raises(Invalid) as refused:
            verb()
        assert refused.value.problems[0].code == "rule_name_taken"
    assert events() == []


def test_activity_has_the_names_of_default_rules_in_the_readers_language():
    actions.acknowledge(an_alert(rule_name="Error rate above 5%", preset="error_rate"))
    with override("zh-hans"):
        assert events() == ["0 H100 的告警“错误率超过5%”已被确认。"]
