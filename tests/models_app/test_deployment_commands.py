from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from models_app.enums import Status
from models_app.models import Activity, ApiToken
from tests.builders import a_model

pytestmark = pytest.mark.django_db


def output_of(*command) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


@pytest.fixture
def token_file(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    call_command("create_admin", stdout=StringIO())
    return tmp_path / "api_token"


def test_create_admin_prints_a_password_that_works_and_nothing_else():
    password = output_of("create_admin")
    assert len(password.strip()) >= 20
    admin = User.objects.get(username="admin", is_superuser=True)
    assert admin.check_password(password.strip())


def test_create_admin_leaves_an_account_that_is_there():
    User.objects.create_user("admin", password="kept")
    assert output_of("create_admin") == ""
    assert User.objects.get(username="admin").check_password("kept")


def test_token_is_made_once(token_file):
    call_command("deployment_token")
    first = token_file.read_text()
    call_command("deployment_token")
    assert token_file.read_text() == first
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert ApiToken.objects.get().name == "deploy"


def lose(token_file):
    token_file.unlink()


def revoke(token_file):
    ApiToken.objects.all().delete()


def expire(token_file):
    ApiToken.objects.update(expiry=timezone.now())


@pytest.mark.parametrize("spoil", [lose, revoke, expire])
def test_token_that_no_longer_works_is_made_again(token_file, spoil):
    call_command("deployment_token")
    first = token_file.read_text()
    spoil(token_file)
    call_command("deployment_token")
    assert token_file.read_text() != first
    assert ApiToken.objects.get().expiry > timezone.now()


def test_token_stands_in_no_activity(token_file):
    call_command("deployment_token")
    token = token_file.read_text().strip()
    assert token not in str(list(Activity.objects.values()))


def test_token_without_an_active_admin_is_refused(token_file):
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="admin"):
        call_command("deployment_token")


def test_list_models_prints_name_status_and_reason():
    a_model("a")
    a_model(
        "long-name",
        desired_state="running",
        status=Status.WAITING,
        reason_code="no_node",
    )
    assert output_of("list_models").splitlines() == [
        "a          Not started",
        (
            "long-name  Waiting for resources  No machine has been found"
            " yet. Is the monitor process running?"
        ),
    ]
