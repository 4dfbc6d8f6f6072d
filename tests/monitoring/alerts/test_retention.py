from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring.alerts.enums import AlertState
from monitoring.alerts.models import Alert
from monitoring.tasks import prune

pytestmark = pytest.mark.django_db


def alerts(count: int, state: AlertState, days: int) -> list[Alert]:
    at = timezone.now() - timedelta(days=days)
    return Alert.objects.bulk_create(
        Alert(
            rule_name="r", metric="m", aggregate="avg", comparison="gt", threshold=1,
            severity="warning", source_kind="node", source_key="n", source_name="n",
            state=state, started_at=at, evaluated_at=at,
            ended_at=None if state in AlertState.OPEN else at,
        )
        for _ in range(count)
    )  # fmt: skip


def test_alerts_that_ended_long_ago_are_deleted(
    settings, django_assert_max_num_queries
):
    settings.ACTIVITY_DAYS = 10
    kept = {*alerts(1, AlertState.RESOLVED, 9), *alerts(1, AlertState.FIRING, 11)}
    alerts(1000, AlertState.RESOLVED, 11)
    with django_assert_max_num_queries(60):
        prune()
    assert set(Alert.objects.all()) == kept
