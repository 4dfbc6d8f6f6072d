import pytest

from models_app.aliases.models import ModelAlias
from models_app.models import Activity
from tests.api import a_body, administrator, client_of, codes, operator, send
from tests.builders import a_model, a_user, an_alias

pytestmark = pytest.mark.django_db

ALIASES = "/api/model-aliases"
WEIGHT = "targets.0.weight"
TARGETS = [{"model": "big"}, {"model": "smol"}]


@pytest.fixture
def models():
    return a_model("smol", aliases=["Smol/Alias"]), a_model("big")


def events():
    found = Activity.objects.filter(code__startswith="alias_").order_by("pk")
    return [(event.code, event.params) for event in found]


def test_alias_is_created_changed_and_deleted(models):
    client = operator()
    body = {"name": "Org/Any:1", "description": "小", "targets": TARGETS}
    created = send(client, "POST", ALIASES, body)
    assert created.status_code == 201, created.json()
    shown = created.json()
    assert (shown["mode"], shown["enabled"]) == ("fallback", True)
    assert shown["targets"] == [{**target, "weight": 1} for target in TARGETS]
    path = f"{ALIASES}/{shown['id']}"
    changes = {
        "mode": "weighted",
        "enabled": False,
        "targets": [{"model": "smol", "weight": 3}, {"model": "big", "weight": 1000}],
    }
    changed = send(client, "PATCH", path, changes)
    assert changed.status_code == 200, changed.json()
    assert {**shown, **changes, "updated_at": None} == {
        **changed.json(), "updated_at": None
    }  # fmt: skip
    assert client.get(path).json() == changed.json()
    put = {"name": "other", "targets": changes["targets"]}
    assert send(client, "PUT", path, put).json()["name"] == "other"
    assert send(client, "PATCH", path, {"name": "other"}).status_code == 200
    assert send(client, "DELETE", path, {}).status_code == 204
    assert not ModelAlias.objects.exists()
    name = {"name": "Org/Any:1"}
    assert events() == [
        ("alias_created", name),
        ("alias_changed", {**name, "fields": ["enabled", "mode", "targets"]}),
        ("alias_changed", {**name, "fields": ["enabled", "mode", "name"]}),
        ("alias_deleted", {"name": "other"}),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "smol"}, ("name", "duplicate_alias")),
        ({"name": "Smol/Alias"}, ("name", "duplicate_alias")),
        ({"name": "taken"}, ("name", "duplicate_alias")),
        ({"name": "123"}, ("name", "invalid_alias")),
        ({"name": "a b"}, ("name", "invalid_alias")),
        ({"name": "a" * 129}, ("name", "max_length")),
        ({"name": 7}, ("name", "invalid")),
        ({"mode": "random"}, ("mode", "invalid_choice")),
        ({"enabled": "yes"}, ("enabled", "invalid")),
        ({"description": "x" * 10_001}, ("description", "max_length")),
        ({"strategy": "weighted"}, ("strategy", "unknown_field")),
        ({"targets": []}, ("targets", "min_length")),
        ({"targets": None}, ("targets", "null")),
        ({"targets": {}}, ("targets", "not_a_list")),
        ({"targets": ["smol"]}, ("targets.0", "invalid")),
        ({"targets": [{}]}, ("targets.0.model", "required")),
        ({"targets": TARGETS * 2}, ("targets", "duplicate_target")),
        ({"targets": TARGETS * 11}, ("targets", "max_length")),
        ({"targets": [{"model": "none"}]}, ("targets.0.model", "no_such_subject")),
        ({"targets": [{"model": "a\0"}]}, ("targets.0.model", "no_such_subject")),
        ({"targets": [{"model": 7}]}, ("targets.0.model", "wrong_type")),
        ({"targets": [{"model": None}]}, ("targets.0.model", "null")),
        ({"targets": [{"model": "big", "weight": 0}]}, (WEIGHT, "out_of_range")),
        ({"targets": [{"model": "big", "weight": 1001}]}, (WEIGHT, "out_of_range")),
        ({"targets": [{"model": "big", "weight": "2"}]}, (WEIGHT, "wrong_type")),
        (
            {"targets": [{"model": "big", "share": 2}]},
            ("targets.0.share", "unknown_field"),
        ),
    ],
    ids=str,
)
def test_invalid_alias_is_refused(models, changes, expected):
    kept = an_alias("taken", models[0])
    body = {"name": "any", "targets": TARGETS, **changes}
    client = operator()
    for method, path in (("POST", ALIASES), ("PUT", f"{ALIASES}/{kept.pk}")):
        if method == "PUT" and changes == {"name": "taken"}:
            continue
        answer = send(client, method, path, body)
        assert answer.status_code == 400
        assert expected in codes(answer)
    [alias] = ModelAlias.objects.all()
    assert (alias.name, alias.targets.count()) == ("taken", 1)
    assert not events()


@pytest.mark.parametrize(
    "changes", [{"name": "any"}, {"aliases": ["any"]}, {"aliases": ["x", "any"]}]
)
def test_model_cannot_have_the_name_of_an_alias(models, changes):
    an_alias("any", *models)
    client = operator()
    assert send(client, "PATCH", "/api/models/big", changes).status_code == 400
    body = a_body(**{"name": "new", **changes})
    assert send(client, "POST", "/api/models", body).status_code == 400


def test_deleted_model_leaves_its_aliases(models):
    smol, _big = models
    client = administrator()
    alias = an_alias("any", *models)
    only = an_alias("only", smol)
    assert client.delete("/api/models/smol").status_code == 204
    shown = client.get(f"{ALIASES}/{alias.pk}").json()
    assert [target["model"] for target in shown["targets"]] == ["big"]
    assert client.get(f"{ALIASES}/{only.pk}").json()["targets"] == []
    answer = send(client, "PATCH", f"{ALIASES}/{only.pk}", {"description": "empty"})
    assert answer.status_code == 200


def test_nothing_changes_without_a_difference(models):
    alias = an_alias("any", models[0], (models[1], 2))
    before = alias.updated_at
    body = {"targets": [{"model": "smol"}, {"model": "big", "weight": 2}]}
    answer = send(operator(), "PATCH", f"{ALIASES}/{alias.pk}", body)
    assert answer.status_code == 200
    alias.refresh_from_db()
    assert alias.updated_at == before
    assert not events()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["a", "b", "c"]),
        ("?ordering=-name", ["c", "b", "a"]),
        ("?name=b", ["b"]),
        ("?model=big", ["b", "c"]),
        ("?search=second", ["b"]),
        ("?page=2&page_size=2", ["c"]),
    ],
)
def test_list_is_filtered(models, query, names):
    smol, big = models
    an_alias("a", smol)
    an_alias("b", smol, big, description="the second")
    an_alias("c", big)
    listed = client_of(a_user("viewer")).get(f"{ALIASES}{query}").json()
    assert [alias["name"] for alias in listed["results"]] == names


@pytest.mark.parametrize("rows", [1, 5])
def test_list_takes_the_same_number_of_queries(models, rows, django_assert_num_queries):
    for number in range(rows):
        an_alias(f"any{number}", *models)
    client = operator()
    client.get(ALIASES)
    with django_assert_num_queries(7):
        assert client.get(ALIASES).json()["count"] == rows
