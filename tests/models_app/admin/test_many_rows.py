"""Pages and actions at the size of years of use."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from taggit.models import Tag, TaggedItem

from models_app.enums import RunState
from models_app.models import Activity, ApiToken, Approval, Run, ServedModel
from monitoring.models import ExportJob
from runtimes.models import Download, ImagePull
from scheduling.models import Decision
from tests.builders import a_model, a_user, a_wanted_model

pytestmark = pytest.mark.django_db
MANY = 5_000
SOME = 500  # enough where queries are counted
MODELS = "/admin/models_app/servedmodel/"
TOKENS = "/admin/models_app/apitoken/"


@pytest.fixture
def boss(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def many_models(count: int = MANY, **fields) -> list[int]:
    names = [f"m-{number:05}" for number in range(count)]
    made = [ServedModel(name=name, config={}, **fields) for name in names]
    return [model.pk for model in ServedModel.objects.bulk_create(made)]


def many_tokens(count: int) -> list[str]:
    user, expiry = a_user("viewer"), timezone.now() + timedelta(days=1)
    made = [
        ApiToken(user=user, name=str(n), digest=f"{n:0128}", expiry=expiry)
        for n in range(count)
    ]
    return [token.pk for token in ApiToken.objects.bulk_create(made)]


def act(client, url, action, chosen, **fields):
    return client.post(url, {"action": action, "_selected_action": chosen, **fields})


def test_tokens_are_revoked_at_once(boss, django_assert_max_num_queries):
    chosen = many_tokens(SOME)
    assert act(boss, TOKENS, "delete_selected", chosen).status_code == 200
    with django_assert_max_num_queries(SOME // 10):  # in batches
        answer = act(boss, TOKENS, "delete_selected", chosen, post="yes")
    assert answer.status_code == 302
    assert not ApiToken.objects.exists()
    assert Activity.objects.filter(code="token_deleted").count() == SOME


def test_models_are_deleted_at_once(boss, django_assert_max_num_queries):
    chosen = many_models(SOME)
    # in batches, as SQLite and the page of rows limit them
    with django_assert_max_num_queries(SOME // 10):
        answer = act(boss, MODELS, "delete_selected", chosen, post="yes")
    assert answer.status_code == 302
    assert not ServedModel.objects.exists()
    assert Activity.objects.filter(code="model_deleted").count() == SOME


def shown(answer) -> list[str]:
    assert answer.status_code == 302
    return [str(message) for message in get_messages(answer.wsgi_request)]


WANTED = {"desired_state": "running", "generation": 1}


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        ("start", {}, ("running", "starting", 1)),
        ("stop", {**WANTED, "status": "waiting"}, ("stopped", "stopped", 1)),
        ("restart", {**WANTED, "status": "error"}, ("running", "starting", 2)),
    ],
)
def test_models_are_operated_at_once(
    boss,
    operation,
    before,
    after,
    django_assert_max_num_queries,
    django_capture_on_commit_callbacks,
):
    """In batches, with one wake of the scheduler."""
    chosen = many_models(SOME, **before)
    with (
        django_assert_max_num_queries(SOME // 10),
        django_capture_on_commit_callbacks() as callbacks,
    ):
        answer = act(boss, MODELS, f"{operation}_selected", chosen)
    columns = ("desired_state", "status", "generation")
    assert set(ServedModel.objects.values_list(*columns)) == {after}
    for code in (f"{operation}_requested", "status_changed"):
        recorded = Activity.objects.filter(code=code, actor_name="boss")
        assert recorded.count() == SOME
    assert len(callbacks) == 1
    *_, last = shown(answer)
    assert last == f"Also requested or approved for {SOME - 20} more models."


def test_operation_reports_some_models_and_counts_the_others(boss):
    messages = shown(act(boss, MODELS, "stop_selected", many_models()))
    assert len(messages) == 21
    assert messages[-1] == f"Not possible for {MANY - 20} more models."


def test_refused_models_are_shown_before_the_others(boss):
    chosen = [*many_models(30), a_wanted_model("z-is-wanted").pk]
    first, *_, last = shown(act(boss, MODELS, "start_selected", chosen))
    assert first.startswith("Model z-is-wanted is in the status")
    assert last == "Also requested or approved for 11 more models."


def test_settings_are_approved_at_once(
    boss, django_assert_max_num_queries, django_capture_on_commit_callbacks
):
    keys = {"model_path": "/models/m.gguf", "extra_args": {"swa_full": True}}
    chosen = many_models(SOME)
    ServedModel.objects.exclude(pk=chosen[-1]).update(config=keys)
    with (
        django_assert_max_num_queries(SOME // 10),
        django_capture_on_commit_callbacks() as callbacks,
    ):
        first, *_ = shown(act(boss, MODELS, "approve_selected", chosen))
    assert first.startswith("Model m-00499 has no settings that need")
    assert Approval.objects.filter(approved_by="boss").count() == SOME - 1
    assert Activity.objects.filter(code="approval_granted").count() == SOME - 1
    assert len(callbacks) == 1


LISTS = [
    "/admin/",
    MODELS,
    f"{MODELS}?status__exact=waiting",
    f"{MODELS}?framework=vllm",
    f"{MODELS}?tag=m-few-1",
    f"{MODELS}?q=m-few",
    TOKENS,
    f"{TOKENS}?q=few",
    "/admin/models_app/activity/",
    "/admin/models_app/activity/?model__id__exact={last}",
    "/admin/models_app/activity/?q=last",
    "/admin/models_app/activity/jobs/",
    "/admin/models_app/activity/jobs/?state=failed",
    "/admin/models_app/run/",
    "/admin/models_app/run/?state__exact=ended",
    "/admin/models_app/run/?model__id__exact={last}",
    "/admin/models_app/run/?q=last",
    "/admin/models_app/servedmodel/{last}/change/",
    "/admin/scheduling/decision/",
    "/admin/scheduling/decision/?kind__exact=placement",
    "/admin/scheduling/decision/?model__id__exact={last}",
    "/admin/scheduling/decision/?q=last",
    "/admin/scheduling/decision/queue/",
    "/api/library/downloads",
    "/api/models",
    "/api/models?status=waiting",
    "/api/models?search=m-",
    "/api/models?tag=m-few-1",
    "/api/models/last/activity",
    "/api/monitoring/exports",
    "/api/scheduling/decisions",
    "/api/scheduling/decisions?model=last",
    "/api/tokens",
]
# Complete by contract, without pages
WHOLE = ["/api/scheduling/queue"]


def test_pages_do_not_grow_with_their_tables(boss):
    """Neither the rows and choices of filters on them nor their queries."""
    model, user = a_model("last"), User.objects.get()
    _add_rows("few", 150, model, user)
    small = {url: _measured(boss, url, model) for url in (*LISTS, *WHOLE)}
    _add_rows("many", SOME, model, user)
    large = {url: _measured(boss, url, model) for url in (*LISTS, *WHOLE)}
    assert [url for url in LISTS if large[url][0] > 1.5 * small[url][0]] == []
    # One more where SQLite does not take so many ids at once
    assert [url for url in small if large[url][1] > small[url][1] + 1] == []
    assert max(queries for _, queries in large.values()) <= 30


def _measured(client, url: str, model: ServedModel) -> tuple[int, int]:
    """Bytes and queries."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(url.format(last=model.pk))
    assert answer.status_code == 200, url
    return len(answer.content), len(queries)


def _add_rows(name: str, count: int, model: ServedModel, user: User) -> None:
    numbers = range(count)
    fields = {**WANTED, "status": "waiting", "waiting_since": timezone.now()}
    models = ServedModel.objects.bulk_create(
        ServedModel(name=f"m-{name}-{n}", **fields) for n in numbers
    )
    tags = Tag.objects.bulk_create(
        Tag(name=each.name, slug=each.name) for each in models
    )
    kind = ContentType.objects.get_for_model(ServedModel)
    TaggedItem.objects.bulk_create(
        TaggedItem(tag=tag, object_id=each.pk, content_type=kind)
        for tag, each in zip(tags, models, strict=True)
    )
    _add_history(count, model)
    ApiToken.objects.bulk_create(
        ApiToken(user=user, name=f"{name}-{n}", digest=f"{name}-{n}") for n in numbers
    )
    jobs = {"created_by": user, "state": "failed", "code": "job_crashed"}
    Download.objects.bulk_create(
        Download(hub="huggingface", repo="a/b", folder=f"{name}-{n}", **jobs)
        for n in numbers
    )
    ImagePull.objects.bulk_create(
        ImagePull(driver="docker", key="vllm", image="i", **jobs) for _ in numbers
    )
    ExportJob.objects.bulk_create(
        ExportJob(format="csv", file_name="f.csv", **jobs) for _ in numbers
    )


def _add_history(count: int, model: ServedModel) -> None:
    runs = Run.objects.bulk_create(_ended(model, number) for number in range(count))
    Activity.objects.bulk_create(
        Activity(code="run_ready", model=model, model_name=model.name, run=run)
        for run in runs
    )
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
