"""Exports over HTTP, as a client of the ASGI application sees them."""

import csv
import io

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from monitoring.exports import limits
from monitoring.exports.answers import STREAM_LIMIT, streamed
from monitoring.exports.times import iso
from tests.api import client_of, codes
from tests.builders import a_token, a_user
from tests.monitoring.exports.data import END, START, a_history, a_query, answered

EXPORT = "/api/monitoring/export"
PARTS = {"start_time": iso(START), "end_time": iso(END)}


@pytest.fixture
def viewer(db):
    return client_of(a_user("viewer"))


async def body_of(answer) -> bytes:
    return b"".join([chunk async for chunk in answer.streaming_content])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("format", "content_type", "begins"),
    [
        ("csv", "text/csv; charset=utf-8", "\ufefftime,kind".encode()),
        ("json", "application/json", b'{"tier":"10s"'),
        (
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            b"PK",
        ),
    ],
)
def test_export_is_streamed_through_asgi(format, content_type, begins):
    a_history()
    token = a_token(a_user("viewer"))

    async def fetch():
        headers = {"Authorization": f"Bearer {token}"}
        texts = {"format": format, "metric": "gpu_power", **PARTS}
        answer = await AsyncClient().get(EXPORT, texts, headers=headers)
        assert answer.is_async
        data = await body_of(answer)
        answer.close()
        return answer, data

    answer, data = async_to_sync(fetch)()
    assert (answer.status_code, answer["Content-Type"]) == (200, content_type)
    assert "Content-Length" not in answer
    name = f'filename="metrics_gpu-0-H200_{stamp(START)}_{stamp(END)}.{format}"'
    assert name in answer["Content-Disposition"]
    assert data.startswith(begins)
    if format == "csv":
        lines = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
        assert len(lines) == len(answered(a_query(metrics=["gpu_power"])))


def stamp(seconds: int) -> str:
    return iso(seconds)[:19].replace("-", "").replace(":", "")


@pytest.mark.parametrize("path", [EXPORT, f"{EXPORT}/"])
def test_both_forms_of_the_path(viewer, path):
    answer = viewer.get(path, {"format": "csv"})
    answer.close()
    assert answer.status_code == 200


def test_head_says_whether_it_would_be_answered(viewer):
    a_history()
    answer = viewer.head(EXPORT, {"format": "csv", **PARTS})
    answer.close()
    assert answer.status_code == 200
    assert "metrics_all" in answer["Content-Disposition"]
    assert viewer.head(EXPORT, {"format": "pdf"}).status_code == 400


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "sent"), [("get", b"made"), ("head", b"")])
def test_head_makes_nothing(method, sent):
    request = Request(getattr(APIRequestFactory(), method)(EXPORT))
    answer = streamed(request, iter([b"made"]), "text/csv", "name")
    assert async_to_sync(body_of)(answer) == sent
    answer.close()


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("en", "Unknown format pdf. Allowed values: csv, json, xlsx."),
        ("zh-hans", "format: 未知格式 pdf。允许的值：csv, json, xlsx。"),
    ],
)
def test_unknown_format_names_those_there_are(viewer, language, message):
    headers = {"Accept-Language": language}
    answer = viewer.get(EXPORT, {"format": "pdf"}, headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert codes(answer) == [("format", "unknown_format")]


def test_format_is_needed(viewer):
    assert codes(viewer.get(EXPORT)) == [("format", "unknown_format")]


def test_third_export_at_once_is_refused(viewer):
    held = [viewer.get(EXPORT, {"format": "csv"}) for _ in range(STREAM_LIMIT.per_user)]
    answer = viewer.get(EXPORT, {"format": "csv"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_exports")
    held[0].close()
    again = viewer.get(EXPORT, {"format": "csv"})
    assert again.status_code == 200
    for each in (*held, again):
        each.close()


@pytest.mark.parametrize(
    ("format", "rows", "refused"),
    [
        ("csv", limits.MAX_ROWS, None),
        ("csv", limits.MAX_ROWS + 1, "export_too_large"),
        ("json", limits.MAX_XLSX_ROWS + 1, None),
        ("xlsx", limits.MAX_XLSX_ROWS, None),
        ("xlsx", limits.MAX_XLSX_ROWS + 1, "export_needs_background"),
        ("xlsx", limits.MAX_ROWS + 1, "export_too_large"),
    ],
)
def test_sizes(format, rows, refused):
    found = None
    try:
        limits.check_direct(format, rows)
    except limits.Invalid as invalid:
        found = invalid.problems[0].code
        assert str(limits.MAX_XLSX_ROWS) in str(invalid) or rows > 10**6
    assert found == refused
