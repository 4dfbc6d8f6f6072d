from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from models_app.models import Activity, ApiToken
from tests.api import client_of, send
from tests.builders import a_model, a_token, a_user

pytestmark = pytest.mark.django_db
PATH = "/api/tokens"


def create(client, **fields):
    return send(client, "POST", PATH, {"name": "laptop", **fields})


@pytest.mark.parametrize("group", ["operator", "admin"])
def test_whoever_uses_models_creates_tokens_of_their_own(group):
    user = a_user(group)
    answer = create(client_of(user), scopes=["read", "inference"], days=9)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["name"], made["scopes"]) == ("laptop", ["inference", "read"])
    row = ApiToken.objects.get(name="laptop")
    assert (row.user, row.token_key) == (user, made["prefix"])
    assert (row.expiry - row.created).days in {8, 9}
    header = {"HTTP_AUTHORIZATION": f"Bearer {made['token']}"}
    listed = APIClient().get(PATH, **header)
    assert listed.status_code == 200
    assert made["token"] not in listed.content.decode()
    assert Activity.objects.filter(code="token_created", actor_name=user).exists()


@pytest.mark.parametrize("group", ["viewer", ""])
def test_others_create_none(group):
    assert create(client_of(a_user(group))).status_code == 403
    assert not ApiToken.objects.filter(name="laptop").exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"days": 0}, "days"),
        ({"days": 3651}, "days"),
        ({"days": "soon"}, "days"),
        ({"scopes": ["all"]}, "scopes.0"),
        ({"scopes": "read"}, "scopes"),
        ({"scope": ["read"]}, "scope"),
        ({"models": "smol"}, "models"),
        ({"models": []}, "models"),
        ({"models": ["gone"]}, "models"),
        ({"models": ["\0"]}, "models.0"),
        ({"models": [7]}, "models.0"),
        ({"models": [""]}, "models.0"),
        ({"models": ["x"] * 1001}, "models"),
    ],
)
def test_bad_input_creates_none(fields, field):
    answer = create(client_of(a_user("operator")), **fields)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize(
    ("own", "wanted", "status"),
    [
        (["manage"], ["manage"], 201),
        (["manage"], ["read"], 201),
        (["manage"], ["inference"], 400),
        (["manage"], [], 400),
        (["manage", "inference"], ["read", "inference"], 201),
        ([], [], 201),
        (["read"], ["read"], 403),
    ],
)
def test_token_creates_none_that_allows_more(own, wanted, status):
    client = client_of(a_user("operator"))
    ApiToken.objects.update(scopes=own)
    assert create(client, scopes=wanted).status_code == status


@pytest.mark.parametrize("models", [None, ["smol"], ["smol", "big"]])
def test_token_is_limited_to_models(models):
    for name in ("smol", "big"):
        a_model(name)
    client = client_of(a_user("operator"))
    answer = create(client, models=models)
    assert answer.status_code == 201
    expected = models if models is None else sorted(models)
    assert answer.json()["models"] == expected
    shown = {row["name"]: row["models"] for row in client.get(PATH).json()["results"]}
    assert shown == {"laptop": expected, "test": None}


def test_limit_to_models_outlives_them():
    model = a_model("smol")
    client = client_of(a_user("operator"))
    create(client, models=["smol"])
    model.delete()
    shown = {row["name"]: row["models"] for row in client.get(PATH).json()["results"]}
    assert shown == {"laptop": [], "test": None}


@pytest.mark.parametrize(
    ("own", "wanted", "got"),
    [
        (["smol"], {}, ["smol"]),
        (["smol"], {"models": ["smol"]}, ["smol"]),
        (["smol", "big"], {"models": ["big"]}, ["big"]),
        (["smol"], {"models": ["big"]}, None),
        (["smol"], {"models": ["smol", "big"]}, None),
        (["smol"], {"models": ["gone"]}, None),
        (["smol"], {"models": None}, None),
        ([], {}, []),
        ([], {"models": ["smol"]}, None),
    ],
)
def test_token_creates_none_that_may_use_more_models(own, wanted, got):
    models = {name: a_model(name) for name in ("smol", "big")}
    client = client_of(a_user("operator"))
    creator = ApiToken.objects.get()
    creator.allowed_models.set(models[name] for name in own)
    ApiToken.objects.update(any_model=False)
    answer = create(client, **wanted)
    if got is None:
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == ["models"]
        assert ApiToken.objects.count() == 1
    else:
        assert (answer.status_code, answer.json()["models"]) == (201, got)


@pytest.mark.parametrize(
    ("own", "wanted", "message"),
    [
        (["smol"], None, 'among those of this token, ["smol"], not null'),
        ([], ["smol"], 'among those of this token, [], not ["smol"]'),
    ],
)
def test_refused_models_of_a_token_are_named(own, wanted, message):
    models = {name: a_model(name) for name in ("smol", "big")}
    client = client_of(a_user("operator"))
    ApiToken.objects.get().allowed_models.set(models[name] for name in own)
    ApiToken.objects.update(any_model=False)
    (error,) = create(client, models=wanted).json()["errors"]
    assert error["code"] == "models_beyond_token"
    assert message in error["message"]


def test_models_limit_inference_only():
    """What a token reads and manages is a matter of its scopes."""
    for name in ("smol", "big"):
        a_model(name)
    made = create(client_of(a_user("operator")), models=["smol"]).json()
    header = {"HTTP_AUTHORIZATION": f"Bearer {made['token']}"}
    assert APIClient().get("/api/models/big", **header).status_code == 200


@pytest.mark.parametrize(
    ("days", "status"), [(None, 201), (5, 201), (6, 400), (400, 400)]
)
def test_token_creates_none_that_lasts_longer(days, status):
    client = client_of(a_user("operator"))
    own = timezone.now() + timedelta(days=5, hours=1)
    ApiToken.objects.update(expiry=own)
    fields = {} if days is None else {"days": days}
    assert create(client, **fields).status_code == status
    assert not ApiToken.objects.filter(expiry__gt=own).exists()


def test_name_that_is_taken_is_409():
    answer = create(client_of(a_user("operator")), name="test")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "name")
    assert ApiToken.objects.count() == 1


def test_token_of_another_user_may_have_the_same_name():
    a_token(a_user(name="someone"), "laptop")
    assert create(client_of(a_user("operator"))).status_code == 201
