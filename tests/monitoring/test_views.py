import json
import re

import pytest

from monitoring.metrics import METRICS
from tests.builders import a_model, a_node
from tests.models_app.people import ROLES, client_as

pytestmark = pytest.mark.django_db

GPUS = "/admin/monitoring/source/gpus/"
MODELS = "/admin/monitoring/source/models/"
HISTORY = "/admin/monitoring/source/history/"
PAGES = (GPUS, MODELS, HISTORY)


def page_of(url, role="viewer", **headers):
    answer = client_as(role).get(url, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def page_data(page):
    """The JSON that the page passes to its scripts."""
    found = re.search(r'<script id="monitoring"[^>]*>(.*?)</script>', page, re.S)
    return json.loads(found.group(1))


@pytest.mark.parametrize("url", PAGES)
@pytest.mark.parametrize("role", ROLES)
def test_pages_open_for_viewers_of_models(role, url):
    answer = client_as(role).get(url)
    if role == "anonymous":
        assert answer.url.startswith("/admin/login/")
    else:
        assert answer.status_code == (403 if role == "outsider" else 200)


@pytest.mark.parametrize("role", ["outsider", "viewer"])
def test_overview_has_charts_for_viewers_of_models(role):
    page = page_of("/admin/", role)
    assert ("data-chart=" in page) is (role == "viewer")
    assert ("data-interrupted" in page) is (role == "viewer")


@pytest.mark.parametrize("role", ["outsider", "viewer"])
def test_sidebar_links_to_the_pages(role):
    page = page_of("/admin/", role)
    links = [url for url in PAGES if f'href="{url}"' in page]
    assert links == (list(PAGES) if role == "viewer" else [])


@pytest.mark.parametrize("url", ["/admin/", GPUS, MODELS])
def test_each_panel_has_a_place_and_known_metrics(url):
    page = page_of(url)
    panels = page_data(page)["panels"]
    assert re.findall(r'data-chart="(\w+)"', page) == [p["id"] for p in panels]
    for panel in panels:
        for line in panel["metrics"]:
            metric = METRICS[line["name"]]
            assert metric.source == panel["kind"]
            assert (metric.kind == "counter") == (line["aggregate"] == "rate")
    assert len(panels) == 4


@pytest.mark.parametrize("url", ["/admin/", GPUS])
@pytest.mark.parametrize("gpus", [[], [24000]])
def test_page_shows_when_there_is_no_gpu(url, gpus):
    a_node(gpus=gpus)
    page = page_of(url)
    hidden = re.search(r"data-no-gpu( hidden)?>No GPU found", page).group(1)
    assert bool(hidden) is bool(gpus)


def test_running_models_come_first_and_few_are_selected():
    for number in range(12):
        a_model(f"model-{number:02}", display_name=f"<b>{number}</b>")
    a_model("zebra", status="running")
    page = page_of(MODELS)
    boxes = re.findall(r'data-source="model:\d+"( checked)?> (.+?)</label>', page)
    assert boxes[0] == (" checked", "zebra")
    assert boxes[1][1] == "&lt;b&gt;0&lt;/b&gt;"
    assert sum(bool(checked) for checked, _ in boxes) == 8


def test_history_shows_the_query_of_its_url():
    page = page_of(f"{HISTORY}?metric=gpu_power&metric=load_1m&range=7d")
    chosen = re.findall(r'name="metric" value="(\w+)" data-kind="\w+" checked', page)
    assert chosen == ["gpu_power", "load_1m"]
    assert 'name="range" value="7d" checked' in page
    assert set(page_data(page)["metrics"]) == set(METRICS)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("start_time=2026-01-01&end_time=2026-01-02T03:04:05Z",
         ["2026-01-01T00:00:00", "2026-01-02T03:04:05"]),
        ("start_time=yesterday&end_time=2026-01-02", ["", ""]),
        ("range=1h", ["", ""]),
    ],
)  # fmt: skip
def test_history_parses_times_like_the_api(query, fields):
    page = page_of(f"{HISTORY}?{query}")
    assert re.findall(r'name="(?:start|end)_time" value="(.*?)"', page) == fields


def test_history_escapes_its_url():
    script = '"><script>alert(1)</script>'
    page = page_of(f"{HISTORY}?start_time={script}&range={script}")
    assert script not in page
    assert 'name="range" value="custom" checked' in page


@pytest.mark.parametrize(
    ("url", "texts"),
    [
        ("/admin/", ["实时数据已中断", "未检测到GPU", "网络"]),
        (GPUS, ["GPU监控", "未检测到GPU"]),
        (MODELS, ["模型监控", "响应时间", "百分位"]),
        (HISTORY, ["历史数据", "24小时", "导出"]),
    ],
)
def test_pages_are_translated(url, texts):
    page = page_of(url, **{"Accept-Language": "zh-hans"})
    for expected in texts:
        assert expected in page
