import pytest
from django.conf import settings

from common.models import new_uid
from models_app.enums import RunState
from models_app.models import Activity, Run
from runtimes.registry import driver
from runtimes.supervision.liveness import LivenessCheck
from runtimes.supervision.mass_failure import Brake
from tests.builders import a_run, a_wanted_model
from tests.runtimes.processes import shell, until

pytestmark = pytest.mark.django_db


@pytest.fixture
def model():
    return a_wanted_model(replicas=9)


def vanished(model, replica, **fields):
    """A run of whose engine there is no trace."""
    here = {"node": settings.NODE_NAME, "replica": replica}
    state = fields.pop("state", RunState.READY)
    return a_run(model, state, **{**here, **fields})


def engine(model, replica, script):
    uid = new_uid()
    handle = driver("process").start(uid, shell(script))
    return vanished(model, replica, uid=uid, handle=handle.to_json()), handle


def ends():
    return dict(Run.objects.ended().values_list("replica", "end_code"))


def test_one_that_vanished_is_ended_at_once(model):
    vanished(model, 0)
    assert LivenessCheck().step() == []
    assert ends() == {0: "crashed"}


def test_most_of_them_are_ended_after_a_second_look_only(model):
    runs = [vanished(model, 0), vanished(model, 1)]
    runs.append(vanished(model, 2, handle=None, state=RunState.STARTING))
    liveness = LivenessCheck()
    assert set(liveness.step()) == set(runs)
    assert ends() == {}
    liveness.brake = Brake(grace_s=0)
    assert liveness.step() == [runs[2]]
    assert ends() == {0: "crashed", 1: "crashed"}


def test_proof_of_the_end_is_believed_however_many_there_are(model):
    handles = [engine(model, replica, "exit 3")[1] for replica in range(3)]
    for handle in handles:
        until(lambda handle=handle: not driver("process").observe(handle).alive)
    assert LivenessCheck().step() == []
    assert ends() == dict.fromkeys(range(3), "crashed")


def test_a_reboot_is_no_doubt(model):
    for replica in range(3):
        vanished(model, replica, boot_id="another")
    assert LivenessCheck().step() == []
    assert ends() == dict.fromkeys(range(3), "node_rebooted")


def test_runs_of_other_machines_are_not_looked_at(model):
    vanished(model, 0, node="elsewhere")
    assert LivenessCheck().step() == []
    assert ends() == {}


def test_engines_out_of_sight_are_taken_to_run_on_and_reported_once(model):
    fields = {"driver": "docker", "handle": {"uid": new_uid(), "container": "ab" * 32}}
    runs = [vanished(model, replica, **fields) for replica in range(3)]
    liveness = LivenessCheck()
    driver("docker").daemon.url = "unix:///nowhere/docker.sock"
    assert [set(liveness.step()) for _ in range(3)] == [set(runs)] * 3
    model.refresh_from_db()
    assert model.reason_code == "engine_unseen"
    assert model.reason_params == {"driver": "docker"}
    liveness = LivenessCheck()  # of a monitor that was restarted meanwhile
    liveness.step()
    Run.objects.update(driver="process")
    liveness.brake = Brake(grace_s=0)
    liveness.step()
    events = Activity.objects.filter(code__startswith="engines_").order_by("pk")
    assert [entry.code for entry in events] == ["engines_unseen", "engines_seen"]
    assert events[0].params["models"] == [model.name]
