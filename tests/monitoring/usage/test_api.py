import asyncio
import csv
import io
import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook

from models_app.models import ApiToken
from monitoring.usage.export import NUMBERS
from tests.api import client_of, codes
from tests.builders import a_model, a_token, a_user
from tests.monitoring.usage.data import END, NEXT_DAY, SPAN, START, a_usage, several

pytestmark = pytest.mark.django_db

USAGE = "/api/usage"
EXPORT = f"{USAGE}/export"


@pytest.fixture
def admin():
    return client_of(a_user("admin"))


def results(client, **params):
    answer = client.get(USAGE, {**SPAN, **params})
    assert answer.status_code == 200, answer.json()
    return answer.json()["results"]


def by(name, rows, count="prompt_tokens"):
    return {row[name]["name"]: row[count] for row in rows}


def test_usage_is_summed_by_model(admin):
    several()
    first, second = results(admin)
    assert first["model"] == {"id": 2, "name": "large"}
    assert second == {
        "model": {"id": 1, "name": "smol"},
        "requests": 3, "errors": 1, "refused": 0, "cancelled": 0, "cache_hits": 0,
        "prompt_tokens": 30, "cached_tokens": 4, "completion_tokens": 15,
        "reasoning_tokens": 3, "total_tokens": 45, "cost": 2.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("group", "tokens"),
    [
        ("token", {"ci": 1010, "dev": 10, "=1": 10}),
        ("user", {"ann": 1020, "bob": 10}),
        ("model", {"smol": 30, "large": 1000}),
    ],
)
def test_usage_is_summed_by_subject(admin, group, tokens):
    several()
    assert by(group, results(admin, group_by=group)) == tokens


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("UTC", {"2026-03-01": 1010, "2026-03-02": 20}),
        ("Asia/Shanghai", {"2026-03-01": 10, "2026-03-02": 1020}),
    ],
)
def test_days_are_those_of_the_server(admin, settings, zone, days):
    settings.TIME_ZONE = zone
    several()
    rows = results(admin, group_by="day")
    assert {row["day"]: row["prompt_tokens"] for row in rows} == days


def test_days_follow_daylight_saving_time(admin, settings):
    """On 29 March the clock goes from 2:00 to 3:00."""
    settings.TIME_ZONE = "Europe/Berlin"
    for day in (28, 29, 30):
        for hour in (0, 23):
            at = f"2026-03-{day}T{hour:02}:00:00"
            a_usage(int(_moment(at, settings.TIME_ZONE)), token=f"{day}-{hour}")
    span = {"start_time": "2026-03-28", "end_time": "2026-03-31"}
    rows = admin.get(USAGE, {**span, "group_by": "day"}).json()["results"]
    expected = {"2026-03-28": 2, "2026-03-29": 2, "2026-03-30": 2}
    assert {row["day"]: row["requests"] for row in rows} == expected


def _moment(text, zone):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_hours_and_subjects_are_combined(admin, settings):
    settings.TIME_ZONE = "UTC"
    several()
    rows = results(admin, group_by="hour,user")
    assert [(row["hour"], row["user"]["name"]) for row in rows] == [
        ("2026-03-01T12:00:00+00:00", "ann"),
        ("2026-03-01T22:00:00+00:00", "ann"),
        ("2026-03-02T12:00:00+00:00", "ann"),
        ("2026-03-02T12:00:00+00:00", "bob"),
    ]


@pytest.mark.parametrize(
    ("filters", "tokens"),
    [
        ({"model": "smol"}, 30),
        ({"model": "2"}, 1000),
        ({"model": "smol,large"}, 1030),
        ({"token": "ci,dev"}, 1020),
        ({"token": "dev-ann"}, 10),
        ({"user": "bob"}, 10),
        ({"user": "bob", "model": "large"}, 0),
        ({"user": "9" * 40}, 0),
        ({"end_time": "2026-03-02"}, 1010),
    ],
)
def test_filters(admin, settings, filters, tokens):
    settings.TIME_ZONE = "UTC"
    several()
    answer = admin.get(USAGE, {**SPAN, **filters}).json()
    assert answer["totals"]["prompt_tokens"] == tokens
    assert sum(row["prompt_tokens"] for row in answer["results"]) == tokens


def test_span_covers_whole_hours(admin):
    several()
    times = {"start_time": "2026-03-02T12:59:00Z", "end_time": "2026-03-02T13:00:00Z"}
    assert admin.get(USAGE, times).json()["totals"]["requests"] == 2
    times = {"start_time": "2026-03-02T11:00:00Z", "end_time": "2026-03-02T12:00:00Z"}
    assert admin.get(USAGE, times).json()["totals"]["requests"] == 0


def test_names_are_the_present_ones():
    user = a_user("admin")
    a_token(user, "renamed")
    token = ApiToken.objects.get()
    model = a_model("new")
    a_usage(START, model="old", ids=(user.pk, model.pk))
    rows = results(client_of(user), group_by="model,user", model="new")
    assert [(row["model"]["name"], row["user"]["name"]) for row in rows] == [
        ("new", "admin")
    ]
    token.delete()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", ["viewer", "operator", ""])
def test_others_see_their_own(role):
    several()
    user = a_user(role, name="carl")
    a_usage(START, user="carl", ids=(user.pk, 1), prompt_tokens=7)
    client = client_of(user)
    assert by("user", results(client, group_by="user")) == {"carl": 7}
    assert results(client, user="bob") == []
    file = client.get(EXPORT, {**SPAN, "format": "json", "group_by": "user"})
    assert [row["user"] for row in json.loads(content(file))["rows"]] == ["carl"]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"group_by": "week"}, ["unknown_group_by"]),
        ({"groupby": "day"}, ["unknown_field"]),
        ({"start_time": "x"}, ["bad_time"]),
        ({"range": "2y"}, ["unknown_range"]),
        ({"user": ",".join(map(str, range(101)))}, ["too_many_values"]),
        ({"page_size": "0"}, ["wrong_type"]),
    ],
)
def test_what_is_wrong_is_named(admin, params, found):
    answer = admin.get(USAGE, params)
    assert [code for _, code in codes(answer)] == found


def test_pages(admin):
    for number in range(5):
        a_usage(START, token=f"t{number}", prompt_tokens=100 - number)
    params = {**SPAN, "group_by": "token", "page_size": 2}
    pages = [admin.get(USAGE, {**params, "page": page}).json() for page in (1, 2, 3)]
    names = [row["token"]["name"] for page in pages for row in page["results"]]
    assert names == ["t0", "t1", "t2", "t3", "t4"]
    assert {(page["count"], page["totals"]["requests"]) for page in pages} == {(5, 5)}
    assert (pages[0]["currency"], pages[0]["group_by"]) == ("CNY", ["token"])


def test_queries_do_not_grow(admin, django_assert_max_num_queries):
    for number in range(50):
        a_usage(START + number * 3600, token=f"t{number}")
    with django_assert_max_num_queries(12):
        assert len(results(admin, group_by="hour,token,user,model")) == 50


def content(answer):
    async def read():
        return b"".join([chunk async for chunk in answer.streaming_content])

    return asyncio.run(read())


def from_csv(data):
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def from_xlsx(data):
    names, *lines = (
        load_workbook(io.BytesIO(data)).worksheets[0].iter_rows(values_only=True)
    )
    return [dict(zip(names, line, strict=True)) for line in lines]


READERS = {"csv": from_csv, "json": lambda d: json.loads(d)["rows"], "xlsx": from_xlsx}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("format", READERS)
def test_exports_have_the_rows_of_the_api(admin, format):
    several()
    groups = "day,token,model"
    answer = admin.get(EXPORT, {**SPAN, "format": format, "group_by": groups})
    assert answer.status_code == 200
    assert f'usage_20260301T000000_20260304T000000.{format}"' in str(answer.headers)
    found = READERS[format](content(answer))
    expected = results(admin, group_by=groups)
    assert len(found) == len(expected) == 4
    for row, shown in zip(found, expected, strict=True):
        name = row["token"].removeprefix("'") if format == "csv" else row["token"]
        assert (row["day"], name) == (shown["day"], shown["token"]["name"])
        assert [float(row[n]) for n in NUMBERS] == [float(shown[n]) for n in NUMBERS]
        assert row["currency"] == "CNY"


@pytest.mark.django_db(transaction=True)
def test_csv_has_no_formulas(admin):
    a_usage(NEXT_DAY, token="=1+1")
    answer = admin.get(EXPORT, {**SPAN, "format": "csv", "group_by": "token"})
    assert from_csv(content(answer))[0]["token"] == "'=1+1"
    assert END > NEXT_DAY


def test_unknown_format(admin):
    answer = admin.get(EXPORT, {"format": "pdf"})
    assert codes(answer) == [("format", "unknown_format")]
