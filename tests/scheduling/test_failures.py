import logging

import pytest
from django.db import IntegrityError, connection

from models_app.models import Run
from scheduling import apply, tasks
from scheduling.failures import LOG_AGAIN_S, LONGEST_BACK_OFF_S, Failures, summary
from scheduling.tasks import tick
from tests.builders import a_node, a_wanted_model


def test_first_failure_is_logged_and_tried_again_at_once():
    failures = Failures(10)
    assert failures.record("x", "broken", now=100)
    assert not failures.is_held("x", now=100)


def test_same_failure_is_logged_once_and_backs_off_ever_longer():
    failures, now, delays = Failures(10), 100.0, []
    failures.record("x", "broken", now)
    for _ in range(8):
        assert not failures.record("x", "broken", now)
        delays.append(failures.get("x").retry_at - now)
        assert failures.is_held("x", now)
        now += delays[-1]
        assert not failures.is_held("x", now)
    assert delays == [10, 20, 40, 80, 160, *[LONGEST_BACK_OFF_S] * 3]
    assert failures.record("x", "broken", 100 + LOG_AGAIN_S)


def test_another_failure_and_a_success_start_over():
    failures = Failures(10)
    for _ in range(3):
        failures.record("x", "broken", 100)
    assert not failures.is_held("y", 100)
    assert failures.record("x", "broken in another way", 100)
    assert not failures.is_held("x", 100)
    failures.forget("x")
    assert failures.get("x") is None


def test_summary_leaves_out_the_values_of_the_row():
    error = IntegrityError("null value in column\nDETAIL:  Failing row contains (x).")
    assert summary(error) == "IntegrityError: null value in column"


@pytest.fixture
def _newer_database(settings):
    """A column that this code does not know, as newer code would add it."""
    settings.NODE_NAME = "here"
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER newer BEFORE INSERT ON models_app_run WHEN new.model_id ="
            " (SELECT id FROM models_app_servedmodel WHERE name = 'refused') BEGIN"
            " SELECT RAISE(ABORT, 'NOT NULL constraint failed: models_app_run.newer');"
            " END"
        )


@pytest.mark.django_db
def test_placement_that_is_refused_twice_waits_and_others_run(_newer_database, caplog):
    caplog.set_level(logging.WARNING)
    a_node(cpu_cores=8)
    refused = a_wanted_model("refused", priority=9)
    a_wanted_model("other")
    for _ in range(10):
        tick()
    refused.refresh_from_db()
    assert (refused.status, refused.reason_code) == ("waiting", "placement_refused")
    assert "models_app_run.newer" in refused.reason_params["error"]
    assert [run.model.name for run in Run.objects.live()] == ["other"]
    lines = [r for r in caplog.records if "models_app_run.newer" in r.getMessage()]
    assert len(lines) == 1
    assert apply.FAILURES.get(refused.pk).count == 2
    apply.FAILURES.forget(refused.pk)


@pytest.mark.django_db
def test_tick_that_fails_in_the_same_way_raises_once(settings):
    settings.NODE_NAME = "here"
    a_node()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE runtimes_node RENAME TO renamed_by_newer_code")
    tasks.FAILURES.forget(tasks.TICK)
    with pytest.raises(Exception, match="runtimes_node"):
        tick()
    tick()
    tasks.FAILURES.forget(tasks.TICK)
