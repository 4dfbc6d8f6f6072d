import pytest

from models_app.enums import Status
from models_app.status import Blocked, derive

WAITING = Blocked(status=Status.WAITING, code="insufficient_cpu")
ERROR = Blocked(status=Status.ERROR, code="crashed")


@pytest.mark.parametrize(
    ("desired", "live", "blocked", "status"),
    [
        ("stopped", [], None, "stopped"),
        ("stopped", [], ERROR, "stopped"),
        ("stopped", [("ready", 2)], None, "stopping"),
        ("stopped", [("killing", 1)], None, "stopping"),
        ("running", [], None, "starting"),
        ("running", [], WAITING, "waiting"),
        ("running", [], ERROR, "error"),
        ("running", [("scheduled", 2)], None, "starting"),
        ("running", [("starting", 2)], WAITING, "starting"),
        ("running", [("ready", 2)], None, "running"),
        ("running", [("ready", 2), ("starting", 2)], ERROR, "running"),
        ("running", [("draining", 2)], None, "stopping"),
        ("running", [("ready", 1)], None, "stopping"),  # restarted: an older one
        ("running", [("ready", 1), ("scheduled", 2)], None, "starting"),
    ],
)
def test_derive(desired, live, blocked, status):
    assert derive(desired, 2, live, blocked) == status
