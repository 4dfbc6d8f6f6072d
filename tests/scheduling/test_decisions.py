from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from models_app.enums import RunState
from models_app.models import Activity
from scheduling.apply import apply_plan
from scheduling.decisions import record_reason
from scheduling.models import Decision
from scheduling.planner.plan import plan
from scheduling.planner.types import Plan, Policy, Reason, Stop
from scheduling.snapshot import load
from scheduling.tasks import cleanup
from tests.builders import a_node, a_run, a_wanted_model

pytestmark = pytest.mark.django_db
POLICY = Policy(gpu_reserve_mib=0)


def tick(now=1000.0):
    snapshot = load()
    apply_plan(plan(snapshot, POLICY, now), snapshot)


def decided() -> list[tuple[str, str, str]]:
    rows = Decision.objects.order_by("pk")
    return [(row.model_name, row.kind, row.code) for row in rows]


def carry_out_only(**fields):
    made = Plan(**{"stops": (), "placements": (), "reasons": {}, **fields})
    apply_plan(made, load())


def test_placement_is_recorded_with_its_machine():
    a_node()
    a_wanted_model("chat")
    tick()
    [row] = Decision.objects.all()
    assert (row.kind, row.message) == ("placement", "chat was placed on here.")
    assert row.params == {"node": "here", "replica": 0, "gpus": []}
    assert row.run_uid == row.model.runs.get().uid


def test_eviction_is_recorded_with_the_evicting_model():
    a_node(cpu_cores=2)
    low = a_wanted_model("low", priority=3, cpu_cores=2)
    run = a_run(low, RunState.READY, cpu_cores=2)
    a_wanted_model("high", priority=9, cpu_cores=2)
    tick()
    row = Decision.objects.get(kind="eviction")
    assert (row.model_name, row.run_uid) == ("low", run.uid)
    assert (row.params["by"], row.priority) == ("high", 3)
    assert row.message == "Stopped to make room for high."
    assert ("high", "reason", "making_room") in decided()


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("preempted", ["eviction"]),
        ("gpu_drained", ["eviction"]),
        ("stopped", []),
        ("restarted", []),
        ("scaled_down", []),
    ],
)
def test_only_unrequested_stops_are_evictions(code, kinds):
    run = a_run(a_wanted_model(), RunState.READY)
    stop = Stop(run_uid=run.uid, code=code, params={"by": "x"})
    carry_out_only(stops=(stop,))
    carry_out_only(stops=(stop,))
    assert [row.kind for row in Decision.objects.all()] == kinds


def test_unchanged_reason_is_recorded_once():
    a_node(cpu_cores=2)
    a_wanted_model("chat", cpu_cores=4)
    for _ in range(3):
        tick()
    assert decided() == [("chat", "reason", "insufficient_cpu")]


@pytest.mark.parametrize(
    ("changed", "rows"), [({"free": 2}, 1), ({"node": "b"}, 2), ({"needed": 9}, 2)]
)
def test_reason_is_new_if_more_than_the_free_amount_changed(changed, rows):
    model = a_wanted_model()
    params = {"node": "a", "needed": 4, "free": 1}
    for params_now in (params, {**params, **changed}):
        why = Reason(status="waiting", code="insufficient_cpu", params=params_now)
        carry_out_only(reasons={model.pk: why})
    model.refresh_from_db()
    assert Decision.objects.count() == rows
    assert model.reason_params == {**params, **changed}


def test_reason_of_a_running_model_is_not_a_decision():
    model = a_wanted_model(replicas=2, status="running")
    a_run(model, RunState.READY)
    why = Reason(status="waiting", code="insufficient_cpu")
    carry_out_only(reasons={model.pk: why})
    model.refresh_from_db()
    assert (model.status, Decision.objects.count()) == ("running", 0)


def test_stale_plan_leaves_no_decision():
    a_node()
    a_wanted_model()
    snapshot = load()
    a_node().__class__.objects.update(version=9)
    apply_plan(plan(snapshot, POLICY, 1000.0), snapshot)
    assert decided() == []
    assert Activity.objects.count() == 0


def test_decisions_outlive_their_model():
    a_node(cpu_cores=2)
    model = a_wanted_model("chat", cpu_cores=4)
    tick()
    model.delete()
    assert decided() == [("chat", "reason", "insufficient_cpu")]


def test_old_decisions_are_deleted(settings, django_assert_max_num_queries):
    settings.DECISION_DAYS = 30
    model = a_wanted_model()
    why = Reason(status="waiting", code="no_node")
    record_reason(model, why)
    [kept] = Decision.objects.all()
    Decision.objects.bulk_create(
        Decision(kind="reason", model=model, priority=5, code="no_node")
        for _ in range(10_000)
    )
    old = timezone.now() - timedelta(days=31)
    Decision.objects.exclude(pk=kept.pk).update(at=old)
    with django_assert_max_num_queries(5):
        cleanup()
    assert list(Decision.objects.all()) == [kept]


def test_tick_on_models_that_wait_takes_a_constant_number_of_queries():
    a_node(cpu_cores=2)
    counts = []
    for number in (1, 20):
        for n in range(number):
            a_wanted_model(f"m{number}-{n}", cpu_cores=4)
        tick()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            tick()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_model_on_a_drained_gpu_moves_at_once():
    node = a_node(gpus=[24000, 24000])
    model = a_wanted_model(gpu_count=1, gpu_memory_mib=20000)
    tick()
    first = model.runs.get()
    node.gpus.filter(uuid__in=first.gpu_uuids).update(mode="drained")
    tick()
    model.refresh_from_db()
    first.refresh_from_db()
    assert (first.state, first.end_code) == ("ended", "gpu_drained")
    assert (model.status, model.reason_code) == ("waiting", "gpu_drained")
    tick()
    assert model.runs.live().get().gpu_uuids != first.gpu_uuids
    kinds = [kind for _, kind, _ in decided()]
    assert kinds == ["placement", "eviction", "placement"]
