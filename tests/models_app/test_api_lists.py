import pytest

from models_app.activity import record
from tests.api import client_of, codes, operator
from tests.builders import a_model, a_run, a_user, a_wanted_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def models():
    small = a_model("small", priority=9, description="for the demo")
    small.tags.add("demo", "cpu")
    large = a_wanted_model("large", priority=2, display_name="Large 模型")
    large.tags.add("gpu")
    a_model("other", framework="vllm", priority=9)


def names(answer) -> list[str]:
    assert answer.status_code == 200
    return [model["name"] for model in answer.json()["results"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["large", "other", "small"]),
        ("?status=starting", ["large"]),
        ("?status=error", []),
        ("?framework=vllm", ["other"]),
        ("?tag=demo", ["small"]),
        ("?tag=demo&status=starting", []),
        ("?search=模型", ["large"]),
        ("?search=demo", ["small"]),
        ("?search=LAR", ["large"]),
        ("?search=%25", []),
        ("?ordering=-name", ["small", "other", "large"]),
        ("?ordering=-priority", ["small", "other", "large"]),
        ("?ordering=priority,-name", ["large", "small", "other"]),
        ("?ordering=status", ["large", "small", "other"]),
        ("?ordering=-created_at", ["other", "large", "small"]),
        ("?page_size=2", ["large", "other"]),
        ("?page_size=2&page=2", ["small"]),
        ("?page_size=100000", ["large", "other", "small"]),
    ],
)
def test_list_is_filtered_searched_ordered_and_paged(models, query, found):
    assert names(operator().get(f"/api/models{query}")) == found


def test_list_has_the_total_and_the_next_page(models):
    page = operator().get("/api/models?page_size=2").json()
    assert (page["count"], page["previous"]) == (3, None)
    assert page["next"] == "http://testserver/api/models?page=2&page_size=2"


def test_a_page_has_200_rows_at_most():
    for number in range(201):
        a_model(f"model-{number}")
    assert len(names(operator().get("/api/models?page_size=500"))) == 200


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("status=dancing", "status", "invalid_choice"),
        ("ordering=config", "ordering", "unknown_field"),
        ("page_size=0", "page_size", "wrong_type"),
        ("page_size=-1", "page_size", "wrong_type"),
        ("page_size=", "page_size", "wrong_type"),
        ("page_size=nonsense", "page_size", "wrong_type"),
        ("page_size=2&page_size=2", "page_size", "repeated_parameter"),
        ("search=a&search=b", "search", "repeated_parameter"),
        ("ordering=name,-engine_key", "ordering", "unknown_field"),
        (f"search={'a%20' * 150}", "search", "search_too_long"),
        ("search=a%00b", "", "null_characters_not_allowed"),
        ("tag=a%00b", "tag", "null_characters_not_allowed"),
    ],
)
def test_list_refuses(query, field, code):
    answer = operator().get(f"/api/models?{query}")
    assert (answer.status_code, codes(answer)) == (400, [(field, code)])


@pytest.mark.parametrize("page", ["0", "2", "last-week", "9" * 30, "9" * 5000])
def test_list_has_no_such_page(page):
    answer = operator().get(f"/api/models?page={page}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_search_of_many_terms_is_one_valid_query(models):
    assert names(operator().get("/api/models?search=" + "%20".join("a" * 100))) == [
        "large",
        "small",
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_a_fixed_number_of_queries(django_assert_num_queries, count):
    for number in range(count):
        model = a_model(f"model-{number}")
        model.tags.add("a", "b")
    client = client_of(a_user("viewer"))
    # token, its user's tokens, permissions (2); count, models, tags, runs
    with django_assert_num_queries(7):
        assert len(names(client.get("/api/models"))) == count


@pytest.mark.parametrize("count", [1, 3])
def test_activity_takes_a_fixed_number_of_queries(django_assert_num_queries, count):
    model = a_wanted_model()
    run = a_run(model)
    for _ in range(count):
        record("run_ready", model=model, run=run, params={"node": "here"})
    client = client_of(a_user("viewer"))
    # token, its user's tokens, permissions (2); model, tags, runs, count, activity
    with django_assert_num_queries(8):
        page = client.get("/api/models/smol/activity").json()
    assert page["count"] == count
