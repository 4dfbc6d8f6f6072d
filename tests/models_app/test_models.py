import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from models_app.enums import RunState
from tests.builders import a_model, a_run, a_wanted_model

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "dancing"},
        {"desired_state": "perhaps"},
        {"priority": 0},
        {"priority": 11},
        {"replicas": 0},
        {"status": "stopped", "desired_state": "running"},
        {"gpu_count": 0, "gpu_memory_mib": 1},
    ],
)
def test_database_refuses_impossible_models(wrong):
    with pytest.raises(IntegrityError):
        a_model(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "dancing"},
        {"state": RunState.READY, "handle": None},
        {"state": RunState.ENDED, "ended_at": None},
        {"state": RunState.ENDED, "end_code": ""},
    ],
)
def test_database_refuses_impossible_runs(wrong):
    model = a_wanted_model()
    with pytest.raises(IntegrityError):
        a_run(model, **wrong)


def test_database_refuses_a_second_live_run_of_a_replica():
    model = a_wanted_model()
    a_run(model)
    with pytest.raises(IntegrityError):
        a_run(model)


def test_database_refuses_a_port_twice():
    a_run(a_wanted_model("one"), port=21500)
    with pytest.raises(IntegrityError):
        a_run(a_wanted_model("two"), port=21500)


def test_ended_runs_free_replica_and_port():
    model = a_wanted_model()
    a_run(model, RunState.ENDED, port=21500)
    assert a_run(model, port=21500).pk


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("my-first-model", True),
        ("qwen2.5-7b_q4", True),
        ("a", True),
        ("7", False),
        ("123", False),
        ("My-Model", False),
        ("-model", False),
        ("model-", False),
        ("a/b", False),
        ("a b", False),
        ("a" * 63, True),
        ("a" * 64, False),
        ("модель", False),
    ],
)
def test_names(name, fits):
    model = a_model()
    model.name = name
    if fits:
        model.full_clean()
    else:
        with pytest.raises(ValidationError):
            model.full_clean()
