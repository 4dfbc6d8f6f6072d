"""What a model would take, in its form, in front of a real installation."""

import json
import re

import pytest

from tests.browser.conftest import PHONE, assert_fits

ADD = "/admin/models_app/servedmodel/add/"
ESTIMATE = "**/api/models/estimate"
MEASURED = """
from common import clock
from models_app.enums import RunState
from models_app.models import Run, ServedModel
from django.utils import timezone
model = ServedModel.objects.create(name={name!r}, config={config!r}, memory_mib=9)
Run.objects.create(
    model=model, generation=0, state=RunState.ENDED, framework=model.framework,
    driver=model.driver, config=model.config, node="here", port=1, cpu_cores=1,
    memory_mib=0, boot_id=clock.boot_id(), ready_at=timezone.now(),
    ended_at=timezone.now(), end_code="stopped", memory_peak_mib=5734,
)
print(model.pk)
"""


@pytest.fixture
def config(site):
    return {"model_path": str(site.model_path), "n_ctx": 4096, "n_threads": 1}


def type_in(page, **fields):
    """And wait for the result."""
    with page.expect_response(ESTIMATE):
        for name, value in fields.items():
            text = json.dumps(value) if isinstance(value, dict) else str(value)
            page.fill(f"[name={name}]", text)


def mib(page, row, of="host"):
    text = page.locator(f"[data-row={row}] [data-of={of}] span").inner_text()
    number, unit = re.split(r"\s", text.replace(",", ""))
    return float(number) * (1024 if unit == "GiB" else 1)


def parts(page):
    rows = page.locator("[data-parts] tr:visible")
    return [row.locator("th").inner_text() for row in rows.all()]


def status_text(page):
    return page.locator("[data-estimate] [role=status]").inner_text()


def test_path_that_is_typed_gives_a_breakdown_that_fills_the_fields(page, config):
    page.goto(ADD)
    assert status_text(page) == "Appears once the configuration names a model."
    type_in(page, config=config)
    page.wait_for_selector("[data-estimate] table:not([hidden])")
    assert parts(page) == [
        "Weights", "Context (KV cache)", "Compute buffers and engine",
        "Prompt cache (maximum)",
    ]  # fmt: skip
    assert status_text(page) == "Applied to the empty fields above."
    assert float(page.input_value("[name=memory_mib]")) == pytest.approx(
        mib(page, "estimated"), rel=0.01
    )
    assert page.locator("[data-estimate] [data-of=gpu]:visible").count() == 0
    type_in(page, gpu_count=2)
    page.wait_for_selector("[data-row=each]:not([hidden])")
    assert mib(page, "each", "gpu") == pytest.approx(
        mib(page, "estimated", "gpu") / 2, rel=0.01
    )
    assert page.input_value("[name=gpu_memory_mib]") != "0"
    type_in(page, gpu_count=0)
    page.wait_for_function("document.querySelector('[data-row=each]').hidden")
    assert page.input_value("[name=gpu_memory_mib]") == "0"


def test_what_is_typed_stays_until_the_button_is_pressed(page, config):
    page.goto(ADD)
    page.fill("[name=memory_mib]", "77")
    type_in(page, config=config)
    page.wait_for_selector("[data-estimate] table:not([hidden])")
    assert page.input_value("[name=memory_mib]") == "77"
    page.get_by_role("button", name="Use the estimate as memory").click()
    used = page.input_value("[name=memory_mib]")
    assert int(used) > 500
    type_in(page, config={**config, "n_ctx": 512})
    page.wait_for_function(
        "!document.querySelector('[data-estimate] [role=status]').textContent"
    )
    assert mib(page, "estimated") < int(used)
    assert page.input_value("[name=memory_mib]") == used


def test_measured_is_shown_beside_and_can_be_used(page, site, config):
    found = site.python(MEASURED.format(name="measured", config=config))
    with page.expect_response(ESTIMATE):
        page.goto(f"/admin/models_app/servedmodel/{found.strip()}/change/")
    page.wait_for_selector("[data-row=measured]:not([hidden])")
    assert page.input_value("[name=memory_mib]") == "9"
    assert mib(page, "measured") == pytest.approx(5734, rel=0.01)
    advice = page.locator("[data-estimate] [data-advice]").inner_text()
    assert re.fullmatch(
        r"5734 MiB were measured, \d+ MiB estimated\. Use the measured value\.", advice
    )
    page.get_by_role("button", name="Use the measured value as memory").click()
    assert page.input_value("[name=memory_mib]") == "5734"
    type_in(page, config={**config, "n_ctx": 512})
    page.wait_for_function("document.querySelector('[data-row=measured]').hidden")


def test_what_cannot_be_estimated_says_why(page, config):
    page.goto(ADD)
    type_in(page, config={"model_path": f"{config['model_path']}.gone"})
    page.wait_for_function(
        "document.querySelector('[data-estimate] [role=status]').textContent"
        ".endsWith('does not exist.')"
    )
    page.fill("[name=config]", '{"model_path": ')
    page.wait_for_function(
        "document.querySelector('[data-estimate] [role=status]').textContent"
        " === 'The configuration is not valid JSON.'"
    )
    assert page.locator("[data-estimate] table").is_hidden()
    page.route(ESTIMATE, lambda route: route.abort())
    page.fill("[name=config]", json.dumps(config))
    page.wait_for_function(
        "document.querySelector('[data-estimate] [role=status]').textContent"
        ".startsWith('The server did not respond')"
    )


def test_breakdown_fits_any_screen(page, config):
    page.set_viewport_size(PHONE)
    page.goto(ADD)
    type_in(page, config=config, gpu_count=2)
    page.wait_for_selector("[data-row=each]:not([hidden])")
    assert_fits(page, page.locator("[data-estimate]"))
