import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from models_app.enums import RunState
from models_app.models import Run, ServedModel
from runtimes.supervision.observe import check
from scheduling.models import Allocation
from scheduling.tasks import tick
from tests.builders import a_node, a_run, a_wanted_model

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _here(settings):
    settings.NODE_NAME = "here"


def queries_of_a_tick():
    with CaptureQueriesContext(connection) as captured:
        tick()
    return len(captured)


def a_full_machine(models):
    """Half of them run, half wait: on the cores, or on the GPU."""
    node = a_node(gpus=[24_000], cpu_cores=models // 2)
    for n in range(models):
        model = a_wanted_model(f"m{n}", cpu_cores=1, gpu_count=n % 2)
        a_run(model, RunState.ENDED, end_code="restarted", boot_id="another")
        if n < models // 2:
            run = a_run(model, RunState.READY)
            Allocation.objects.create(run=run, gpu=node.gpus.get(), mib=24)
            ServedModel.objects.filter(pk=model.pk).update(status="running")


def test_tick_takes_as_many_queries_for_5_models_as_for_50():
    taken = []
    for models in (5, 50):
        Run.objects.all().delete()
        ServedModel.objects.all().delete()
        a_node().delete()
        a_full_machine(models)
        tick()  # stores the reasons
        assert ServedModel.objects.filter(status="waiting").count() == -(-models // 2)
        taken.append(queries_of_a_tick())
        assert Run.objects.live().count() == models // 2
    assert taken[0] == taken[1]


# Priorities of the models that ran before the reboot, in order of creation
PRIORITIES = [2, 9, 5, 10, 5]


def runs_before_the_reboot():
    for n, priority in enumerate(PRIORITIES):
        model = a_wanted_model(f"m{n}", priority=priority, cpu_cores=1)
        ServedModel.objects.filter(pk=model.pk).update(status="running")
        a_run(model, RunState.ENDED, end_code="crashed", boot_id="another")
        state = (RunState.READY, RunState.STARTING, RunState.DRAINING)[n % 3]
        a_run(model, state, boot_id="another", handle={"pid": 1})


def restarted():
    return list(Run.objects.live().order_by("pk").values_list("model__name", flat=True))


ORDER = ["m3", "m1", "m2", "m4", "m0"]


@pytest.mark.parametrize("cores", [5, 3, 1])
def test_models_restart_by_priority_after_a_reboot(cores):
    a_node(cpu_cores=cores)
    runs_before_the_reboot()
    check(Run.objects.live().earliest("pk"))  # the monitor came first
    tick()
    assert restarted() == ORDER[:cores]
    ended = Run.objects.ended().filter(end_code="node_rebooted")
    assert ended.count() == len(PRIORITIES)
    waiting = ServedModel.objects.filter(status="waiting").order_by("name")
    assert [model.name for model in waiting] == sorted(ORDER[cores:])
