from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from knox.crypto import hash_token

from models_app.models import ApiToken
from tests.builders import a_model, a_user

pytestmark = pytest.mark.django_db


def create_api_token(*arguments: str) -> str:
    out = StringIO()
    call_command("create_api_token", *arguments, stdout=out)
    return out.getvalue()


def test_prints_the_token_and_nothing_else():
    a_user(name="ada")
    printed = create_api_token("ada", "--name", "laptop", "--days", "7")
    token = printed.removesuffix("\n")
    assert token.isalnum()
    assert ApiToken.objects.get(name="laptop").digest == hash_token(token)


def test_restricts_the_token():
    a_user(name="ada")
    create_api_token("ada", "--name", "prometheus", "--scope", "metrics")
    assert ApiToken.objects.get().scopes == ["metrics"]


def test_limits_the_token_to_models():
    a_user(name="ada")
    for name in ("smol", "big"):
        a_model(name)
    create_api_token("ada", "--name", "ci", "--model", "smol", "--model", "big")
    assert ApiToken.objects.get().model_names == ["big", "smol"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["bob", "--name", "x"], "User bob does not exist. Existing users: ada."),
        (["ada", "--name", "taken"], "User ada already has a token named taken."),
        (
            ["ada", "--name", "x", "--days", "0"],
            ("days must be between 1 and 3650, not 0."),
        ),
        (
            ["ada", "--name", "x", "--days", "9999"],
            ("days must be between 1 and 3650, not 9999."),
        ),
        (["ada", "--name", "x", "--days", "soon"], "invalid int value: 'soon'"),
        (["ada", "--name", ""], 'name must be 1 to 100 characters long, not "".'),
        (["ada", "--name", "x", "--scope", "all"], "invalid choice: 'all'"),
        (["ada", "--name", "x", "--model", "gone"], "Model gone does not exist."),
        (["ada"], "--name"),
        ([], "user"),
    ],
)
def test_refuses(arguments, text):
    a_user(name="ada")
    create_api_token("ada", "--name", "taken")
    with pytest.raises(CommandError) as refused:
        create_api_token(*arguments)
    assert text in str(refused.value)
    assert ApiToken.objects.count() == 1
