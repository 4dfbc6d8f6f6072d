import time

import pytest
from django.contrib.auth.models import Group

from gateway.limits.rules import begin_of_day, begin_of_month
from gateway.routes import used
from gateway.routes.loader import Loader, load
from models_app.limits.models import Limit
from models_app.models import ApiToken
from monitoring.usage.ledger import HOUR_S
from monitoring.usage.models import UsageRecord
from tests.builders import a_model, a_token, a_user

pytestmark = pytest.mark.django_db

BOTH = {"tokens_per_day": 1000, "tokens_per_month": 2000}


@pytest.fixture
def ann():
    """A user with a token, who belongs to the operators."""
    user = a_user("operator", name="ann")
    a_token(user)
    return user


def use(user, model_id, at, tokens):
    UsageRecord.objects.create(
        hour=int(at) // HOUR_S * HOUR_S,
        token_id=ApiToken.objects.get(user=user).token_key,
        user_id=user.pk,
        model_id=model_id,
        prompt_tokens=tokens - 1,
        completion_tokens=1,
    )


def tokens_of(table):
    return {name: each.tokens for (_, name), each in table.used.items()}


@pytest.mark.parametrize("subject", ["token", "user", "group", "model"])
def test_usage_of_the_day_and_the_month_is_known(ann, subject, settings):
    settings.TIME_ZONE = "Asia/Shanghai"
    bob, model = a_user("viewer", name="bob"), a_model()
    a_token(bob)
    subjects = {
        "token": ApiToken.objects.get(user=ann),
        "user": ann,
        "group": Group.objects.get(name="operator"),
        "model": model,
    }
    Limit.objects.create(**{subject: subjects[subject]}, **BOTH)
    now, zone = time.time(), used.get_default_timezone()
    month = begin_of_month(now, zone)
    use(ann, model.pk, now, 10)
    use(bob, model.pk + 1, now, 1000)
    use(ann, model.pk, month - HOUR_S, 100_000)
    if (yesterday := begin_of_day(now, zone) - HOUR_S) >= month:
        use(ann, model.pk, yesterday, 100)
    of_month = 110 if yesterday >= month else 10
    expected = {"tokens_per_day": 10, "tokens_per_month": of_month}
    assert tokens_of(load()) == expected


def test_only_numbers_that_are_new_are_counted(ann):
    limit = Limit.objects.create(user=ann, tokens_per_day=9)
    known = {(str(limit.pk), "tokens_per_day")}
    assert tokens_of(load(known)) == {}
    Limit.objects.filter(pk=limit.pk).update(tokens_per_month=9)
    assert tokens_of(load(known)) == {"tokens_per_month": 0}


@pytest.mark.django_db(transaction=True)
async def test_loader_counts_each_number_once(ann):
    await Limit.objects.acreate(user=ann, **BOTH)
    loader = Loader()
    assert set(tokens_of(await loader())) == set(BOTH)
    assert tokens_of(await loader()) == {}
    loader.close()
