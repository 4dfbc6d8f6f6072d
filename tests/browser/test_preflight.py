"""The button "Check" of a model's form, in front of a real installation."""

import json

import pytest

from tests.browser.conftest import PHONE, assert_fits

ADD = "/admin/models_app/servedmodel/add/"
PREFLIGHT = "**/api/models/preflight"


@pytest.fixture
def path(site):
    return str(site.model_path)


def check(page, config, **fields):
    text = config if isinstance(config, str) else json.dumps(config)
    page.fill("[name=config]", text)
    for name, value in fields.items():
        page.fill(f"[name={name}]", str(value))
    with page.expect_response(PREFLIGHT):
        page.get_by_role("button", name="Check").click()
    page.wait_for_selector("[data-preflight] [data-lines]:not([hidden])")


def status_text(page):
    return page.locator("[data-preflight] [role=status]").inner_text()


def levels(page):
    lines = page.locator("[data-lines] li").all()
    return {
        line.locator("[data-part=name]").inner_text(): line.get_attribute("data-level")
        for line in lines
    }


def test_new_model_is_checked_before_it_is_saved(page, path):
    page.goto(ADD)
    check(page, {"model_path": path, "n_threads": 1})
    assert status_text(page) == "The model can be started."
    assert list(levels(page)) == [
        "Configuration", "Path", "Permission", "Format", "Architecture", "Engine",
        "Image", "Ports", "CPU", "Memory", "GPUs", "Placement",
    ]  # fmt: skip
    assert set(levels(page).values()) == {"ok"}
    assert page.url.endswith(ADD)


def test_errors_are_shown_with_what_to_do(page, path):
    page.goto(ADD)
    check(page, {"model_path": f"{path}.gone"})
    assert status_text(page) == "The model cannot be started."
    line = page.locator("[data-lines] li[data-level=error]")
    assert f"The file {path}.gone does not exist." in line.inner_text()
    assert "Correct the path" in line.inner_text()
    assert line.locator("[data-part=level]").text_content() == "Error:"
    page.fill("[name=config]", json.dumps({"model_path": path}))
    assert status_text(page) == "The form has changed. Check again."
    check(page, {"model_path": path, "n_threads": 1}, memory_mib=1)
    assert status_text(page) == "The model can be started, but there are warnings."
    assert levels(page)["Memory"] == "warning"


def test_what_the_api_refuses_is_shown_by_field(page, path):
    page.goto(ADD)
    check(page, {"model_path": path}, gpu_memory_mib=8)
    assert levels(page) == {"gpu_memory_mib": "error"}


def test_config_that_is_no_json_is_shown_at_once(page):
    page.goto(ADD)
    page.fill("[name=config]", '{"model_path": ')
    page.get_by_role("button", name="Check").click()
    assert status_text(page) == "The configuration is not valid JSON."


def test_server_that_is_unavailable_is_shown(page):
    page.goto(ADD)
    page.route(PREFLIGHT, lambda route: route.abort())
    page.fill("[name=config]", "{}")
    page.get_by_role("button", name="Check").click()
    page.wait_for_function(
        "document.querySelector('[data-preflight] [role=status]').textContent"
        ".startsWith('The server did not respond')"
    )
    assert page.get_by_role("button", name="Check").is_enabled()


def test_saved_model_is_checked_as_it_is_typed_now(page, site, path):
    page.goto(ADD)
    page.fill("[name=name]", "checked")
    page.fill("[name=config]", json.dumps({"model_path": path, "n_threads": 1}))
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="checked").first.click()
    with page.expect_response(PREFLIGHT):
        page.locator('a[href="#preflight"]').click()
    page.wait_for_selector("[data-lines]:not([hidden])")
    assert page.locator("#preflight").evaluate(
        "title => title.getBoundingClientRect().top < innerHeight"
    )
    check(page, {"model_path": path, "n_threads": 1})
    assert status_text(page) == "The model can be started."
    check(page, {"model_path": path, "n_threads": 5000})
    assert levels(page)["Configuration"] == "error"
    page.reload()
    assert "5000" not in page.input_value("[name=config]")


def test_lines_fit_any_screen(page, path):
    page.set_viewport_size(PHONE)
    page.goto(ADD)
    check(page, {"model_path": f"{path}-{'x' * 200}"})
    card = page.locator("[data-preflight]")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert_fits(page, card)
