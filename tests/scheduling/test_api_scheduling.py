"""API of queue, resources and decisions."""

import pytest
from django.utils import timezone

from models_app.enums import RunState
from models_app.models import Activity, Run, ServedModel
from runtimes.models import Gpu
from scheduling.models import Allocation, Decision
from tests.api import client_of, operator
from tests.builders import a_model, a_node, a_run, a_user, a_wanted_model
from tests.scheduling.files import a_model_file

pytestmark = pytest.mark.django_db

QUEUE = "/api/scheduling/queue"
RESOURCES = "/api/scheduling/resources"
DECISIONS = "/api/scheduling/decisions"


def viewer(**headers):
    return client_of(a_user("viewer"), **headers)


def a_full_machine() -> ServedModel:
    """2 cores, both used by `low`."""
    a_node(cpu_cores=2)
    low = a_wanted_model("low", priority=3, cpu_cores=2, status="running")
    a_run(low, RunState.READY, cpu_cores=2)
    return low


def hold(run: Run, mib: int, index=0) -> None:
    gpu = Gpu.objects.get(index=index)
    Allocation.objects.create(run=run, gpu=gpu, mib=mib)


def test_queue_is_empty_when_no_model_waits():
    a_full_machine()
    a_model("stopped")
    assert viewer().get(QUEUE).json() == []


def test_queue_lists_waiting_models_in_order_with_reasons_and_suggestions():
    low = a_full_machine()
    a_wanted_model("last", priority=1, cpu_cores=2)
    since = timezone.now()
    first = a_wanted_model(
        "first", priority=3, cpu_cores=2, display_name="First", waiting_since=since
    )
    body = viewer().get(QUEUE).json()
    assert [(row["position"], row["model"]["name"]) for row in body] == [
        (1, "first"),
        (2, "last"),
    ]
    assert body[0]["model"] == {
        "id": first.pk, "name": "first", "display_name": "First", "priority": 3
    }  # fmt: skip
    assert body[0]["waiting_since"].startswith(since.strftime("%Y-%m-%dT%H:%M:%S"))
    assert body[0]["machine"] == "here"
    assert body[0]["reason"] == {
        "code": "insufficient_cpu",
        "params": {"node": "here", "needed": 2, "free": 0, "total": 2},
        "message": "Needs 2 CPU cores; 0 of 2 are free on here.",
        "advice": "",
    }
    named = {"model": "low", "id": low.pk, "priority": 3}
    assert body[0]["helps"] == [
        {"action": "stop", "params": named, "message": "Stop low (priority 3)"},
        {
            "action": "priority",
            "params": {**named, "to": 4},
            "message": "Raise the priority to 4, above low",
        },
    ]


def test_queue_suggests_a_smaller_context():
    a_node(memory_mib=9000)
    config = {"model_path": a_model_file(), "n_ctx": 8192, "n_parallel": 1}
    a_wanted_model(config=config, memory_mib=9000)
    [row] = viewer().get(QUEUE).json()
    [offered] = row["helps"]
    assert offered["action"] == "n_ctx"
    assert offered["message"] == "Lower the context from 8192 to 4096 tokens"
    sizes = {"gpu_memory_mib": 0, "memory_mib": 9000 - 4096 - 12}
    assert offered["params"] == {"from": 8192, "to": 4096, **sizes}


def test_queue_is_in_the_language_of_the_request():
    a_full_machine()
    a_wanted_model("next", cpu_cores=2, priority=3)
    [row] = viewer(HTTP_ACCEPT_LANGUAGE="zh-hans").get(QUEUE).json()
    assert row["helps"][0]["message"] == "停止 low（优先级 3）"


def test_queue_changes_nothing():
    a_full_machine()
    a_wanted_model("high", priority=9, cpu_cores=2)
    [row] = viewer().get(QUEUE).json()
    assert row["reason"]["code"] == "making_room"
    assert Run.objects.get().state == RunState.READY
    assert ServedModel.objects.get(name="high").reason is None
    assert (Activity.objects.count(), Decision.objects.count()) == (0, 0)


@pytest.mark.parametrize("count", [1, 20])
def test_queue_takes_a_constant_number_of_queries(count, django_assert_num_queries):
    a_full_machine()
    for n in range(count):
        a_wanted_model(f"m{n}", cpu_cores=2, priority=3)
    client = viewer()
    client.get(QUEUE)
    with django_assert_num_queries(10):
        assert len(client.get(QUEUE).json()) == count


def test_resources_show_booked_measured_foreign_and_free_memory(settings):
    settings.RESERVED_MEMORY_MIB, settings.GPU_RESERVE_MIB = 4000, 256
    a_node(gpus=[24000], cpu_cores=8, memory_mib=64000).gpus.update(free_mib=9000)
    model = a_wanted_model("chat", status="running")
    ready = a_run(model, RunState.READY, cpu_cores=3, memory_mib=1000)
    coming = a_run(model, RunState.STARTING, replica=1)
    hold(ready, 10_000)
    hold(coming, 2000)
    [machine] = viewer().get(RESOURCES).json()
    assert machine["cpu_cores"] == {"total": 8, "booked": 4, "free": 4}
    assert machine["memory_mib"] == {"total": 64000, "booked": 1000, "free": 59000}
    [gpu] = machine["gpus"]
    assert gpu == {
        "uuid": "GPU-here-0", "index": 0, "name": "fake", "mode": "open",
        "present": True, "memory_mib": 24000,
        "booked": [
            {"model": "chat", "run": ready.uid, "mib": 10000, "measured_mib": None},
            {"model": "chat", "run": coming.uid, "mib": 2000, "measured_mib": None},
        ],
        "reason": None,
        "measured_free_mib": 9000, "foreign_mib": 5000, "free_mib": 6744,
    }  # fmt: skip


def test_resources_show_the_measured_memory_of_runs(settings):
    settings.GPU_RESERVE_MIB = 0
    a_node(gpus=[24000]).gpus.update(free_mib=9000)
    uuid = Gpu.objects.get().uuid
    model = a_wanted_model("chat", status="running")
    for replica, (booked, used) in enumerate([(10_000, 7000), (2000, 2500)]):
        run = a_run(model, RunState.READY, replica=replica, gpu_used={uuid: used})
        hold(run, booked)
    a_run(model, RunState.READY, replica=2, gpu_used={uuid: 100})
    [machine] = viewer().get(RESOURCES).json()
    [gpu] = machine["gpus"]
    assert [b["measured_mib"] for b in gpu["booked"]] == [7000, 2500]
    assert gpu["foreign_mib"] == 24000 - 9000 - 7000 - 2500 - 100
    # The first is yet to take 3000; the second has taken more than it booked.
    assert gpu["free_mib"] == 6000


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"lost": True}, "gpu_unreachable"),
        ({"unhealthy_code": "gpu_needs_reset"}, "gpu_needs_reset"),
    ],
)
def test_resources_show_why_a_gpu_is_unhealthy(fields, code):
    params = {"xid": 62}
    a_node(gpus=[24000]).gpus.update(unhealthy_params=params, **fields)
    [machine] = viewer().get(RESOURCES).json()
    [gpu] = machine["gpus"]
    assert (gpu["reason"]["code"], gpu["free_mib"]) == (code, 0)
    assert gpu["reason"]["message"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"free_mib": None}, (None, None, 23744)),
        ({"free_mib": 24000}, (24000, 0, 23744)),
        ({"free_mib": 100}, (100, 23900, 0)),
        ({"free_mib": 24000, "mode": "excluded"}, (24000, 0, 0)),
        ({"free_mib": 24000, "mode": "drained"}, (24000, 0, 0)),
        ({"free_mib": 24000, "present": False}, (None, None, 0)),
    ],
)
def test_resources_of_one_gpu(fields, expected, settings):
    settings.GPU_RESERVE_MIB = 256
    a_node(gpus=[24000]).gpus.update(**fields)
    [machine] = viewer().get(RESOURCES).json()
    [gpu] = machine["gpus"]
    shown = (gpu["measured_free_mib"], gpu["foreign_mib"], gpu["free_mib"])
    assert shown == expected


def test_resources_of_an_ended_run_are_free():
    a_node(gpus=[24000])
    hold(a_run(a_wanted_model(), RunState.ENDED), 9000)
    [machine] = viewer().get(RESOURCES).json()
    assert machine["gpus"][0]["booked"] == []
    assert machine["cpu_cores"]["booked"] == 0


@pytest.mark.parametrize("count", [1, 3])
def test_resources_take_a_constant_number_of_queries(count, django_assert_num_queries):
    for n in range(count):
        a_node(f"n{n}", gpus=[24000] * count)
        run = a_run(a_wanted_model(f"m{n}"), RunState.READY, node=f"n{n}")
        for gpu in Gpu.objects.filter(node__name=f"n{n}"):
            Allocation.objects.create(run=run, gpu=gpu, mib=100)
    client = viewer()
    client.get(RESOURCES)
    with django_assert_num_queries(11):
        assert len(client.get(RESOURCES).json()) == count


def a_decision(model, kind="placement", **fields):
    given = {"code": "run_scheduled", "params": {"node": "here"}, **fields}
    return Decision.objects.create(
        kind=kind, model=model, model_name=model.name, priority=5, **given
    )


def test_decisions_are_paginated_newest_first():
    model = a_model("chat")
    for _ in range(3):
        a_decision(model, run_uid="abc")
    newest = a_decision(
        model, "reason", code="making_room", run_uid="", params={"node": "b"}
    )
    body = viewer().get(DECISIONS, {"page_size": 2}).json()
    assert (body["count"], len(body["results"])) == (4, 2)
    assert body["results"][0] == {
        "id": newest.pk,
        "at": body["results"][0]["at"],
        "kind": "reason",
        "model": "chat",
        "priority": 5,
        "run": None,
        "reason": {
            "code": "making_room",
            "params": {"model": "chat", "node": "b"},
            "message": "Waiting for other models on b to stop.",
            "advice": "",
        },
    }
    assert body["results"][1]["run"] == "abc"
    assert body["results"][1]["reason"]["message"] == "chat was placed on here."


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, 3),
        ({"model": "one"}, 2),
        ({"kind": "eviction"}, 2),
        ({"model": "one", "kind": "eviction"}, 1),
        ({"model": "none"}, 0),
    ],
)
def test_decisions_are_filtered(query, found):
    one, two = a_model("one"), a_model("two")
    a_decision(one)
    a_decision(one, "eviction", code="preempted", params={"by": "two"})
    a_decision(two, "eviction", code="preempted", params={"by": "one"})
    assert viewer().get(DECISIONS, query).json()["count"] == found


def test_decisions_reject_an_unknown_kind():
    response = viewer().get(DECISIONS, {"kind": "guess"})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "kind"


@pytest.mark.parametrize("path", [QUEUE, RESOURCES, DECISIONS])
def test_scheduling_endpoints_are_read_only(path):
    assert operator().post(path, {}).status_code == 405
