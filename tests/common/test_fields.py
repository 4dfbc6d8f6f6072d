import pytest
from django.db import connection

from models_app.models import Run
from tests.builders import a_run, a_wanted_model

pytestmark = pytest.mark.django_db


def stored():
    with connection.cursor() as cursor:
        cursor.execute("select engine_key from models_app_run")
        return cursor.fetchone()[0]


def test_text_is_encrypted_in_the_database_only():
    run = a_run(a_wanted_model(), engine_key="sesame")
    assert "sesame" not in stored()
    assert Run.objects.get(pk=run.pk).engine_key == "sesame"


@pytest.mark.parametrize(("fallbacks", "text"), [(["old"], "sesame"), ([], "")])
def test_text_survives_a_new_secret_key_with_the_old_one_as_fallback(
    settings, fallbacks, text
):
    settings.SECRET_KEY = "old"
    run = a_run(a_wanted_model(), engine_key="sesame")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", fallbacks
    assert Run.objects.get(pk=run.pk).engine_key == text


def test_two_rows_do_not_show_that_they_hold_the_same():
    a_run(a_wanted_model("a"), engine_key="sesame")
    first = stored()
    Run.objects.all().delete()
    a_run(a_wanted_model("b"), engine_key="sesame")
    assert stored() != first
