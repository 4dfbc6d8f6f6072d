import time

import pytest
from playwright.sync_api import expect

USAGE = "/admin/monitoring/source/usage/?range=24h"


@pytest.fixture(scope="module")
def used(site):
    """A request that cost 0.000345."""
    hour = int(time.time()) // 3600 * 3600
    site.python(
        "from monitoring.usage.models import UsageRecord\n"
        f"UsageRecord.objects.create(hour={hour}, token_id='ci', user_id=1, model_id=1,"
        " token_name='ci', user_name='ann', model_name='smol', requests=1,"
        " prompt_tokens=12345, cost='0.000345')"
    )


def test_charts_show_tokens_requests_and_what_little_they_cost(page, used):
    page.goto(USAGE)
    expect(page.locator(".uplot")).to_have_count(3)
    for chart, value in (
        ("total_tokens", "12,345"),
        ("requests", "1"),
        ("cost", "0.00035"),
    ):
        legend = page.locator(f'[data-usage-chart="{chart}"] .u-series').nth(1)
        expect(legend.locator(".u-value")).to_have_text(value)
