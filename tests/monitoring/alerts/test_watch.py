from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import Schedule

from monitoring import tasks
from monitoring.alerts.models import Alert
from tests.builders import a_node

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("default_rules")]


def a_minute_later():
    """Instead of waiting, since each call goes by the stored state."""
    Alert.objects.update(started_at=timezone.now() - timedelta(seconds=60))
    tasks.watch()


@pytest.mark.parametrize(("silent_s", "fires"), [(0, False), (50, False), (90, True)])
def test_worker_reports_a_silent_monitor(silent_s, fires):
    a_node(seen_at=timezone.now() - timedelta(seconds=silent_s))
    tasks.watch()
    assert not Alert.objects.filter(state="firing").exists()
    a_minute_later()
    found = Alert.objects.values_list("preset", "state", "source_name")
    assert list(found) == ([("monitor_silent", "firing", "here")] if fires else [])


def test_alert_fires_once_and_ends_when_the_monitor_is_back():
    node = a_node(seen_at=timezone.now() - timedelta(seconds=90))
    tasks.watch()
    a_minute_later()
    tasks.watch()
    assert Alert.objects.get().state == "firing"
    node.seen_at = timezone.now()
    node.save()
    tasks.watch()
    assert Alert.objects.get().state == "resolved"


def test_queue_runs_it_by_itself():
    schedule = Schedule.objects.get(func="monitoring.tasks.watch")
    assert (schedule.schedule_type, schedule.minutes, schedule.repeats) == ("I", 1, -1)


def test_monitor_that_starts_after_the_worker_is_not_reported():
    node = a_node(seen_at=timezone.now() - timedelta(days=1))
    tasks.watch()
    node.seen_at = timezone.now()
    node.save()
    tasks.watch()
    assert list(Alert.objects.all()) == []
