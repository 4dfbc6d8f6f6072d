"""From a file in a model folder to a model, by clicks alone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, assert_fits

PAGE = "/admin/runtimes/node/library/"


@pytest.fixture
def row(page):
    page.goto(PAGE)
    return page.locator("tr[data-path$='models/smol.gguf']")


def delete(site, name):
    site.python(
        "from models_app.models import ServedModel\n"
        f"ServedModel.objects.get(name={name!r}).delete()"
    )


def test_model_file_is_listed_with_what_its_header_says(row):
    for words in ("llama.cpp", "Q4_1", "8192", "93.8 MiB", "135 M"):
        expect(row).to_contain_text(words)


def test_file_becomes_a_model_with_two_clicks(site, page, row):
    row.get_by_role("link", name="Add").click()
    name = page.locator("[name=name]").input_value()
    assert re.fullmatch(r"smol(-\d+)?", name)
    assert '"n_ctx": 2048' in page.locator("[name=config]").input_value()
    assert 500 < int(page.locator("[name=memory_mib]").input_value()) < 800
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/models_app/servedmodel/")
    expect(page.locator("#result_list")).to_contain_text(name)
    page.goto(PAGE)
    expect(page.locator("tr[data-path$='models/smol.gguf']")).to_contain_text(name)
    delete(site, name)


def test_search_and_scan_again_stay_on_the_page(page, row):
    page.fill("[name=search]", "no such model")
    page.press("[name=search]", "Enter")
    expect(page.get_by_text("No models match the search.")).to_be_visible()
    page.get_by_role("button", name="Scan again").click()
    expect(page.get_by_text(re.compile("Models and files found: [12]"))).to_be_visible()
    expect(row).to_be_visible()


def test_page_fits_its_width(page):
    page.set_viewport_size(PHONE)
    page.goto(PAGE)
    page.locator("tr[data-path]").first.wait_for()
    assert_fits(page)
