import json
import re

import pytest

from monitoring.usage.query import DAY_S
from tests.models_app.people import ROLES, client_as
from tests.monitoring.usage.data import START, a_usage, several

pytestmark = pytest.mark.django_db

USAGE = "/admin/monitoring/source/usage/"
SPAN = "start_time=2026-03-01&end_time=2026-03-04"


def page_of(query="", role="admin", **headers):
    answer = client_as(role).get(f"{USAGE}?{query}", headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def charts_of(page):
    data = re.search(r'<script id="monitoring"[^>]*>(.*?)</script>', page, re.S)
    return json.loads(data.group(1))["charts"]


@pytest.mark.parametrize("role", ROLES)
def test_everybody_opens_the_page_and_sees_its_link(role):
    answer = client_as(role).get(USAGE)
    if role == "anonymous":
        assert answer.url.startswith("/admin/login/")
    else:
        assert answer.status_code == 200
        assert f'href="{USAGE}"' in answer.content.decode()


@pytest.mark.parametrize(("role", "sees"), [("viewer", False), ("admin", True)])
def test_only_administrators_see_everybodys(role, sees):
    several()
    page = page_of(f"{SPAN}&group_by=user", role)
    assert ("<strong>bob</strong>" in page) is sees
    assert ("data-totals" in page) is sees


def test_charts_have_a_line_for_each_model(settings):
    settings.TIME_ZONE = "UTC"
    several()
    tokens, requests, cost = charts_of(page_of(SPAN))
    lines = {line["label"]: line["values"] for line in tokens["lines"]}
    assert lines == {"large": [1005, 0, 0], "smol": [15, 30, 0]}
    assert [line["values"] for line in requests["lines"]] == [[1, 0, 0], [1, 2, 0]]
    assert [line["values"] for line in cost["lines"]] == [[0, 0, 0], [2, 0, 0]]
    assert [at - tokens["times"][0] for at in tokens["times"]] == [0, DAY_S, 2 * DAY_S]


@pytest.mark.parametrize(
    ("cost", "charts"),
    [
        (0, ["total_tokens", "requests"]),
        (15_000, ["total_tokens", "requests", "cost"]),
    ],
)
def test_cost_has_a_chart_if_there_is_any(cost, charts):
    a_usage(START, cost=cost)
    page = page_of(f"{SPAN}&group_by=user")
    assert [chart["id"] for chart in charts_of(page)] == charts
    assert re.findall('data-usage-chart="(.*?)"', page) == charts


def test_model_that_was_created_again_has_a_line_of_its_own():
    a_usage(START)
    a_usage(START, token="dev", ids=(901, 7))
    tokens, _requests = charts_of(page_of(SPAN))
    assert [line["values"] for line in tokens["lines"]] == [[15, 0, 0], [15, 0, 0]]


@pytest.mark.parametrize(
    ("span", "count"),
    [
        ("start_time=2026-03-28&end_time=2026-03-30", 48 - 1),  # the clock changes
        ("start_time=2026-03-28&end_time=2026-03-31", 3),
        ("start_time=2026-01-01&end_time=2026-03-01", 10),  # kept: USAGE_DAYS
    ],
)
def test_charts_have_all_times_of_the_range(settings, span, count):
    settings.TIME_ZONE, settings.USAGE_DAYS = "Europe/Berlin", 10
    data = re.search(
        r'<script id="monitoring"[^>]*>(.*?)</script>', page_of(span), re.S
    )
    tokens, _requests = json.loads(data.group(1))["charts"]
    assert len(tokens["times"]) == len(set(tokens["times"])) == count


def test_page_filters_and_names_what_is_wrong():
    several()
    client = client_as("admin")
    queries = (f"{SPAN}&model=smol&user=&token=", "group_by=week", "model=<script>x")
    pages = [client.get(f"{USAGE}?{query}").content.decode() for query in queries]
    assert "<strong>large</strong>" not in pages[0]
    assert ['pf-stale" role="alert' in page for page in pages] == [False, True, False]
    assert "<script>x" not in pages[2]


def test_table_has_the_cache_hits():
    a_usage(START, requests=9, cache_hits=7)
    cells = re.findall(r'data-label="Cache hits">(.*?)<', page_of(SPAN))
    assert cells == ["7", "7"]


@pytest.mark.parametrize("text", ["用量", "分组", "各模型token数", "费用", "合计"])
def test_page_is_translated(text):
    several()
    assert text in page_of(SPAN, **{"Accept-Language": "zh-hans"})


def test_queries_do_not_grow(django_assert_max_num_queries):
    several()
    client = client_as("admin")
    with django_assert_max_num_queries(20):
        client.get(f"{USAGE}?{SPAN}")
