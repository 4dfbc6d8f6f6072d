import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry

from common.exceptions import Conflict
from models_app.aliases.models import ModelAlias
from models_app.models import Activity
from tests.builders import a_model, a_user, an_alias
from tests.models_app.people import client_as

pytestmark = pytest.mark.django_db

LIST = "/admin/models_app/modelalias/"


@pytest.fixture
def models():
    return a_model("smol"), a_model("big")


@pytest.fixture
def operator():
    return client_as("operator")


def a_form(*rows, initial=0, **fields):
    """rows: of the fields of a target."""
    form = {"name": "any", "mode": "fallback", "enabled": "on", **fields}
    form |= {"targets-TOTAL_FORMS": len(rows), "targets-INITIAL_FORMS": initial}
    for number, row in enumerate(rows):
        row = {"weight": 1, "position": "", **row}
        form |= {f"targets-{number}-{name}": value for name, value in row.items()}
    return form


def rows_of(alias):
    targets = alias.targets.select_related("model")
    return [
        {"id": each.pk, "model": each.model_id, "position": each.position}
        for each in targets
    ]


def names(alias):
    targets = alias.targets.select_related("model")
    return " ".join(target.model.name for target in targets)


def change_url(alias):
    return f"{LIST}{alias.pk}/change/"


def codes():
    found = Activity.objects.filter(code__startswith="alias_").order_by("pk")
    return [event.code for event in found]


def test_alias_is_created_changed_and_deleted(operator, models):
    smol, big = models
    form = a_form({"model": smol.pk, "weight": 3}, {"model": big.pk}, mode="weighted")
    assert operator.post(f"{LIST}add/", form).status_code == 302
    alias = ModelAlias.objects.get()
    assert (alias.name, alias.mode, alias.enabled) == ("any", "weighted", True)
    assert [(each.model_id, each.weight) for each in alias.targets.all()] == [
        (smol.pk, 3), (big.pk, 1)
    ]  # fmt: skip
    assert "smol 75%, big 25%" in operator.get(LIST).content.decode()
    form = a_form(*rows_of(alias), initial=2, name="other")
    assert operator.post(change_url(alias), form).status_code == 302
    assert "smol → big" in operator.get(LIST).content.decode()
    operator.post(f"{LIST}{alias.pk}/delete/", {"post": "yes"})
    assert not ModelAlias.objects.exists()
    assert codes() == ["alias_created", "alias_changed", "alias_deleted"]


@pytest.mark.parametrize(
    ("positions", "order"),
    [
        ((1, 2, 3), "a b c"),
        ((1, 2, 1), "c a b"),
        ((3, 2, 3), "b a c"),
        ((9, 2, 3), "b c a"),
        (("", 2, 3), "b c a"),
        ((2, 1, 3), "b a c"),
    ],
)
def test_models_are_ordered_by_their_positions(operator, positions, order):
    alias = an_alias("any", *(a_model(name) for name in "abc"))
    for position, target in enumerate(alias.targets.all(), 1):
        target.position = position
        target.save()
    rows = rows_of(alias)
    for row, position in zip(rows, positions, strict=True):
        row["position"] = position
    operator.post(change_url(alias), a_form(*rows, initial=3))
    assert names(alias) == order
    assert codes() == (["alias_changed"] if order != "a b c" else [])


def test_models_are_added_exchanged_and_removed(operator, models):
    smol, big = models
    alias = an_alias("any", smol, big)
    third = a_model("third")
    rows = rows_of(alias)
    rows[0]["DELETE"] = "on"
    form = a_form(*rows, {"model": third.pk}, initial=2)
    operator.post(change_url(alias), form)
    assert names(alias) == "big third"
    rows = rows_of(alias)
    rows[0]["model"], rows[1]["model"] = rows[1]["model"], rows[0]["model"]
    operator.post(change_url(alias), a_form(*rows, initial=2))
    assert names(alias) == "third big"
    assert all("models" in e.change_message for e in LogEntry.objects.all())


@pytest.mark.parametrize(
    ("fields", "models_given", "text"),
    [
        ({"name": "smol"}, ["big"], "is already the name of a model or an alias"),
        ({"name": "taken"}, ["big"], "is already the name of a model or an alias"),
        ({"name": "a b"}, ["big"], "cannot be an alias"),
        ({"name": ""}, ["big"], "This field is required"),
        ({"mode": "random"}, ["big"], "Select a valid choice"),
        ({}, [], "An alias needs at least one model."),
        ({}, ["big", "big"], "Model big was given more than once."),
        ({}, [("big", 0)], "greater than or equal to 1"),
        ({}, [("big", 1001)], "less than or equal to 1000"),
    ],
)
def test_invalid_alias_is_shown_with_its_error(
    operator, models, fields, models_given, text
):
    by_name = {model.name: model.pk for model in models}
    an_alias("taken", models[0])
    pairs = [each if isinstance(each, tuple) else (each, 1) for each in models_given]
    rows = [{"model": by_name[name], "weight": weight} for name, weight in pairs]
    answer = operator.post(f"{LIST}add/", a_form(*rows, **fields))
    assert answer.status_code == 200
    assert text in answer.content.decode()
    assert [alias.name for alias in ModelAlias.objects.all()] == ["taken"]


def test_saving_keeps_what_others_changed_meanwhile(operator, models):
    alias = an_alias("any", *models)
    page = a_form(*rows_of(alias), initial=2, description="mine")
    ModelAlias.objects.filter(pk=alias.pk).update(enabled=False)
    page["enabled"] = ""
    operator.post(change_url(alias), page)
    alias.refresh_from_db()
    assert (alias.description, alias.enabled, names(alias)) == (
        "mine", False, "smol big"
    )  # fmt: skip


def test_alias_that_is_deleted_while_it_is_saved_is_a_conflict(rf, models):
    alias = an_alias("any", *models)
    page = site.get_model_admin(ModelAlias)
    request = rf.post("/", a_form(*rows_of(alias), initial=2, description="mine"))
    request.user = a_user("operator")
    form = page.get_form(request, alias, change=True)(request.POST, instance=alias)
    formsets, _ = page._create_formsets(request, form.instance, change=True)
    assert form.is_valid() and formsets[0].is_valid()
    ModelAlias.objects.filter(pk=alias.pk).delete()
    with pytest.raises(Conflict):
        page.save_related(request, form, formsets, change=True)


def test_viewer_sees_the_models_and_no_form(models):
    alias = an_alias("any", *models)
    page = client_as("viewer").get(change_url(alias)).content.decode()
    assert "smol" in page
    assert 'name="_save"' not in page


@pytest.mark.parametrize("rows", [1, 5])
def test_list_takes_the_same_number_of_queries(
    operator, models, rows, django_assert_num_queries
):
    for number in range(rows):
        an_alias(f"any{number}", *models)
    operator.get(LIST)
    with django_assert_num_queries(9):
        operator.get(LIST)
