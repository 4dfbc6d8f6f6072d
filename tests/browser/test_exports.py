"""Large exports, made by the worker while the page looks on."""

import json

import pytest

EXPORT = "**/api/monitoring/export?*"
PAGE = "/admin/monitoring/source/history/?metric=cpu_utilization&range=1h"


def refuse(route):
    """As if it had too many rows to be answered directly."""
    if route.request.method == "HEAD":
        route.fulfill(status=400, body="")
    else:
        route.continue_()


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_large_export_is_made_in_the_background(page, tmp_path, format):
    page.route(EXPORT, refuse)
    page.goto(PAGE)
    with page.expect_download() as caught:
        page.locator(f"[data-export={format}]").click()
    path = tmp_path / "export"
    caught.value.save_as(path)
    assert caught.value.suggested_filename.endswith(f".{format}")
    begins = {"csv": "\ufefftime,kind".encode(), "xlsx": b"PK"}[format]
    assert path.read_bytes().startswith(begins)
    assert page.locator("[data-export-status]").inner_text() == "The file is ready."


def test_refusal_is_shown(page):
    texts = "Exports at once: up to 2."
    page.route(EXPORT, refuse)
    page.route(
        "**/api/monitoring/exports?*",
        lambda route: route.fulfill(status=429, body=json.dumps({"message": texts})),
    )
    page.goto(PAGE)
    page.locator("[data-export=csv]").click()
    page.wait_for_selector("[data-export-status]:not([hidden])")
    assert page.locator("[data-export-status]").inner_text() == texts
