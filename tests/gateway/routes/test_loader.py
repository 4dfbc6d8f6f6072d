import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from knox.crypto import hash_token

from gateway.routes.loader import load
from gateway.routes.table import Alias, Prices, Replica
from models_app.enums import RunState
from models_app.limits.models import Limit
from models_app.models import ApiToken
from models_app.tokens.lifecycle import create_token
from tests.builders import a_model, a_run, a_token, a_user, an_alias

pytestmark = pytest.mark.django_db

CONFIG = {"model_path": "/m.gguf", "temperature": 0.7, "top_p": 1, "n_ctx": 512}


def a_running_model(name="smol", **fields):
    defaults = {"status": "running", "desired_state": "running", "generation": 1}
    return a_model(name, **{**defaults, **fields})


def test_route_has_what_a_request_needs():
    model = a_running_model(display_name="Smol", config={"model_path": "/later.gguf"})
    run = a_run(model, RunState.READY, config=CONFIG)
    route = load().by_id[model.pk]
    assert (route.name, route.display_name, route.status) == ("smol", "Smol", "running")
    assert route.sampling == {"temperature": 0.7, "top_p": 1.0}
    assert route.created == int(model.created_at.timestamp())
    assert route.replicas == (
        Replica(
            run_uid=run.uid,
            base_url=f"http://127.0.0.1:{run.port}",
            api_key=run.engine_key,
        ),
    )
    assert load().by_name == {"smol": route}


@pytest.mark.parametrize("state", [s for s in RunState if s != RunState.READY])
def test_only_ready_runs_are_replicas(state):
    a_run(a_running_model(), state)
    assert load().by_name["smol"].replicas == ()


def test_runs_of_an_older_generation_are_no_replicas():
    model = a_running_model(generation=2)
    a_run(model, RunState.READY, replica=0, generation=1)
    new = a_run(model, RunState.READY, replica=1, generation=2)
    replicas = load().by_name["smol"].replicas
    assert [replica.run_uid for replica in replicas] == [new.uid]


def test_every_replica_is_listed_and_the_newest_sets_defaults():
    model = a_running_model(replicas=2)
    a_run(model, RunState.READY, replica=0, config=CONFIG)
    a_run(model, RunState.READY, replica=1, config=CONFIG | {"temperature": 0.1})
    route = load().by_name["smol"]
    assert len(route.replicas) == 2
    assert route.sampling["temperature"] == 0.1


@pytest.mark.parametrize(
    ("value", "embeds"), [(True, True), (False, False), ("true", False), (None, False)]
)
def test_embeddings_follow_the_config(value, embeds):
    a_run(a_running_model(), RunState.READY, config=CONFIG | {"embedding": value})
    assert load().by_name["smol"].embeds is embeds


@pytest.mark.parametrize(
    ("kind", "embeds", "generates"),
    [("embedding", True, False), ("chat", False, True), ("", False, True)],
)
def test_kind_of_a_model_is_that_of_its_run(kind, embeds, generates):
    a_run(a_running_model(), RunState.READY, config=CONFIG, model_kind=kind)
    route = load().by_name["smol"]
    assert (route.embeds, route.generates) == (embeds, generates)


def test_removed_framework_only_loses_its_defaults():
    a_run(a_running_model(), RunState.READY, framework="gone", config=CONFIG)
    route = load().by_name["smol"]
    assert (route.sampling, len(route.replicas)) == ({}, 1)


@pytest.mark.parametrize(
    ("status", "code", "params", "seconds"),
    [
        ("stopped", "", {}, None),
        ("stopping", "", {}, None),
        ("starting", "", {}, 5),
        ("waiting", "insufficient_cpu", {}, 10),
        ("running", "", {}, 1),
        ("error", "retrying", {"seconds": 40}, 40),
        ("error", "retrying", {"seconds": 0}, 1),
        ("error", "gave_up", {}, None),
        ("error", "not_retried", {}, None),
        # until the scheduler has looked at it
        ("error", "killed", {}, 1),
    ],
)
def test_retry_after_while_the_platform_retries(status, code, params, seconds):
    expected = "stopped" if status in ("stopped", "stopping") else "running"
    reason = {"reason_code": code, "reason_params": params}
    a_model("smol", desired_state=expected, status=status, **reason)
    assert load().by_name["smol"].retry_after_s == seconds


def test_model_that_is_restarted_will_be_ready_by_itself():
    a_model("smol", status="stopping", desired_state="running")
    assert load().by_name["smol"].retry_after_s == 5


def test_grants_list_tokens_of_active_users_by_digest():
    user = a_user("operator")
    tokens = [a_token(user, "one"), a_token(user, "two")]
    a_token(a_user("operator", name="gone", is_active=False))
    grants = load().grants
    assert set(grants) == {hash_token(token) for token in tokens}
    grant = grants[hash_token(tokens[0])]
    assert (grant.user_id, grant.username) == (user.pk, "operator")
    assert grant.can_use
    assert grant.expires_at > 0


def test_grants_have_the_models_that_a_token_may_use():
    user, smol, big = a_user("operator"), a_model("smol"), a_model("big")
    for name, models in {"any": None, "both": ["big", "smol"], "one": ["big"]}.items():
        create_token(user, name, models=models)

    def allowed():
        return {grant.token_name: grant.models for grant in load().grants.values()}

    assert allowed() == {"any": None, "both": {smol.pk, big.pk}, "one": {big.pk}}
    big.delete()
    assert allowed() == {"any": None, "both": {smol.pk}, "one": frozenset()}


def test_token_never_appears_without_earlier_permissions():
    """The user joins a group, and makes a token, while the tokens are being read."""
    user = a_user()
    todo = [lambda: ApiToken.objects.create(user=user, name="new")]
    todo.append(lambda: user.groups.add(Group.objects.get(name="operator")))

    def meanwhile(execute, sql, params, many, context):
        while todo and "models_app_apitoken" in sql:
            todo.pop()()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(meanwhile):
        (grant,) = load().grants.values()
    assert grant.can_use


@pytest.mark.parametrize(
    ("key", "found"),
    [("smol", True), ("ID", True), ("Smol", False), ("9" * 400, False), ("²", False)],
)
def test_model_is_found_by_name_and_id(key, found):
    model = a_model("smol")
    key = str(model.pk) if key == "ID" else key
    assert (load().find(key) is not None) == found


@pytest.mark.parametrize("rows", [1, 3])
def test_load_takes_nine_queries(rows):
    for index in range(rows):
        model = a_running_model(f"m{index}")
        a_run(model, RunState.READY)
        an_alias(f"any{index}", model)
        a_token(a_user("operator", name=f"u{index}"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        table = load()
    assert len(table.by_id) == len(table.grants) == rows
    assert len(table.aliases) == rows
    assert len(queries) == 9


def test_alias_has_its_models_in_order():
    big, smol = a_running_model("big"), a_running_model("smol")
    alias = an_alias("any", smol, (big, 3), mode="weighted")
    an_alias("off", smol, enabled=False)
    table = load()
    assert list(table.aliases) == ["any"]
    assert table.find("any") == Alias(
        name="any",
        mode="weighted",
        targets=((table.by_name["smol"], 1), (table.by_name["big"], 3)),
        created=int(alias.created_at.timestamp()),
    )
    smol.delete()
    assert [each.route.name for each in load().aliases["any"].targets] == ["big"]


def test_limits_of_callers_and_models_are_loaded():
    ann, bob = a_user("operator", name="ann"), a_user("operator", name="bob")
    tokens = [hash_token(a_token(user)) for user in (ann, bob)]
    model = a_running_model()
    team = Group.objects.get(name="operator")
    Limit.objects.create(user=ann, max_in_flight=3)
    Limit.objects.create(group=team, tokens_per_day=7)
    Limit.objects.create(model=model, requests_per_minute=9)
    Limit.objects.create(token=ApiToken.objects.get(user=bob), priority=9)
    table = load()
    limits = [[each.subject for each in table.grants[key].limits] for key in tokens]
    assert limits == [["user", "group"], ["group"]]
    assert table.grants[tokens[0]].limits[0].max_in_flight == 3
    assert table.grants[tokens[1]].limits[0].tokens_per_day == 7
    [of_model] = table.by_id[model.pk].limits
    assert (of_model.subject, of_model.requests_per_minute) == ("model", 9)


def test_priority_and_weight_are_those_of_token_user_or_group():
    ann, bob = a_user("operator", name="ann"), a_user("operator", name="bob")
    tokens = [hash_token(a_token(user)) for user in (ann, bob)]
    Limit.objects.create(group=Group.objects.get(name="operator"), priority=7, weight=3)
    Limit.objects.create(user=ann, priority=2)
    Limit.objects.create(token=ApiToken.objects.get(user=bob), weight=9)
    grants = load().grants
    turns = [(grants[key].priority, grants[key].weight) for key in tokens]
    assert turns == [(2, 3), (7, 9)]
    Limit.objects.all().delete()
    grant = load().grants[tokens[0]]
    assert (grant.priority, grant.weight) == (5, 1)


@pytest.mark.parametrize(
    ("fields", "prices"),
    [
        ({}, (0, 0, 0)),
        ({"input_price": "1", "output_price": "0.0001"}, (10_000, 10_000, 1)),
        ({"input_price": "2.5", "cached_input_price": "0"}, (25_000, 0, 0)),
    ],
)
def test_prices_are_those_of_one_token(fields, prices):
    model = a_model(**fields)
    assert load().by_id[model.pk].prices == Prices(*prices)


def test_route_has_the_cache_time_of_its_model():
    models = [a_model(name="a1"), a_model(name="b1", cache_ttl_s=60)]
    assert [load().by_id[model.pk].cache_ttl_s for model in models] == [0, 60]
