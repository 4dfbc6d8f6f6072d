"""What others change between the check of a request and its transaction."""

import pytest

from common.exceptions import Conflict, Invalid
from models_app.aliases.editing import create_alias, delete_aliases, update_alias
from models_app.aliases.models import ModelAlias
from models_app.aliases.validation import Target
from models_app.models import Activity
from tests.builders import a_model, an_alias

pytestmark = pytest.mark.django_db


@pytest.fixture
def models():
    return a_model("smol"), a_model("big")


def code_of(error):
    return [(each.field, each.code) for each in error.value.problems]


def test_name_is_taken_meanwhile(models):
    alias = an_alias("any", models[0])
    an_alias("taken", models[0])
    fields = {"name": "taken", "targets": [Target(models[0])]}
    for save in (lambda: create_alias(fields), lambda: update_alias(alias, fields)):
        with pytest.raises(Invalid) as error:
            save()
        assert code_of(error) == [("name", "duplicate_alias")]
    assert ModelAlias.objects.count() == 2
    assert not Activity.objects.exists()


def test_model_is_deleted_meanwhile(models):
    smol, big = models
    alias = an_alias("any", smol)
    fields = {"name": "new", "targets": [Target(smol), Target(big)]}
    big_key = big.pk
    big.delete()
    big.pk = big_key
    for save in (lambda: create_alias(fields), lambda: update_alias(alias, fields)):
        with pytest.raises(Invalid) as error:
            save()
        assert code_of(error) == [("targets", "no_such_subject")]
    alias.refresh_from_db()
    assert (alias.name, alias.targets.count()) == ("any", 1)
    assert ModelAlias.objects.count() == 1


def test_alias_is_deleted_meanwhile(models):
    alias = an_alias("any", *models)
    delete_aliases([alias])
    with pytest.raises(Conflict):
        update_alias(alias, {"enabled": False})
    delete_aliases([alias])
    assert [event.code for event in Activity.objects.all()] == ["alias_deleted"]
