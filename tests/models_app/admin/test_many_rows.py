"""Pages and actions at the size of years of use."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages import get_messages
from django.utils import timezone
from taggit.models import Tag, TaggedItem

from models_app.enums import RunState
from models_app.models import Activity, ApiToken, Run, ServedModel
from scheduling.models import Decision
from tests.builders import a_model, a_user

pytestmark = pytest.mark.django_db
MANY = 10_000
MODELS = "/admin/models_app/servedmodel/"
TOKENS = "/admin/models_app/apitoken/"


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def many_models() -> list[int]:
    made = [ServedModel(name=f"m-{number}", config={}) for number in range(MANY)]
    return [model.pk for model in ServedModel.objects.bulk_create(made)]


def many_tokens() -> list[str]:
    user, expiry = a_user("viewer"), timezone.now() + timedelta(days=1)
    made = [
        ApiToken(user=user, name=str(n), digest=f"{n:0128}", expiry=expiry)
        for n in range(MANY)
    ]
    return [token.pk for token in ApiToken.objects.bulk_create(made)]


def act(client, url, action, chosen, **fields):
    return client.post(url, {"action": action, "_selected_action": chosen, **fields})


def test_tokens_are_revoked_at_once(boss, django_assert_max_num_queries):
    chosen = many_tokens()
    assert act(boss, TOKENS, "delete_selected", chosen).status_code == 200
    with django_assert_max_num_queries(MANY // 10):  # in batches
        answer = act(boss, TOKENS, "delete_selected", chosen, post="yes")
    assert answer.status_code == 302
    assert not ApiToken.objects.exists()
    assert Activity.objects.filter(code="token_deleted").count() == MANY


def test_models_are_deleted_at_once(boss, django_assert_max_num_queries):
    chosen = many_models()
    # in batches, as SQLite and the page of rows limit them
    with django_assert_max_num_queries(MANY // 10):
        answer = act(boss, MODELS, "delete_selected", chosen, post="yes")
    assert answer.status_code == 302
    assert not ServedModel.objects.exists()
    assert Activity.objects.filter(code="model_deleted").count() == MANY


def test_operation_reports_some_models_and_counts_the_others(boss):
    answer = act(boss, MODELS, "stop_selected", many_models())
    assert answer.status_code == 302
    shown = [str(message) for message in get_messages(answer.wsgi_request)]
    assert len(shown) == 21
    assert shown[-1] == f"Not possible for {MANY - 20} more models."


LISTS = [
    "/admin/models_app/activity/",
    "/admin/models_app/run/",
    "/admin/scheduling/decision/",
    MODELS,
    "/admin/scheduling/decision/queue/",
    "/api/models",
]


def test_pages_are_not_much_larger_for_many_rows(boss):
    """Rows on them and choices of their filters are limited."""
    model = a_model("last")
    _add_rows(model, 100)
    small = {url: len(boss.get(url).content) for url in LISTS}
    _add_rows(model, MANY)
    large = {url: len(boss.get(url).content) for url in LISTS}
    assert [url for url in LISTS if large[url] > 1.5 * small[url]] == []


def _add_rows(model: ServedModel, count: int) -> None:
    models = ServedModel.objects.bulk_create(
        ServedModel(name=f"m-{count}-{number}") for number in range(count)
    )
    tags = Tag.objects.bulk_create(
        Tag(name=each.name, slug=each.name) for each in models
    )
    kind = ContentType.objects.get_for_model(ServedModel)
    TaggedItem.objects.bulk_create(
        TaggedItem(tag=tag, object_id=each.pk, content_type=kind)
        for tag, each in zip(tags, models, strict=True)
    )
    Activity.objects.bulk_create(Activity(code="run_ready") for _ in range(count))
    Run.objects.bulk_create(_ended(model, number) for number in range(count))
    Decision.objects.bulk_create(_decision(model) for _ in range(count))


def _ended(model: ServedModel, number: int) -> Run:
    return Run(
        model=model, generation=0, state=RunState.ENDED, end_code="crashed",
        ended_at=timezone.now(), port=number, cpu_cores=1, memory_mib=1, node="here",
    )  # fmt: skip


def _decision(model: ServedModel) -> Decision:
    return Decision(
        kind="placement", model=model, model_name=model.name, priority=5,
        code="run_scheduled",
    )  # fmt: skip
