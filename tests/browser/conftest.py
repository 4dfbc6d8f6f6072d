"""A whole installation, and a browser in front of it. Chromium is the system's: the
package of Playwright brings none."""

import random
import shutil
import socket
import sys
import urllib.request

import pytest
from playwright.sync_api import sync_playwright

from tests.faults.installation import SMOLLM2, Installation
from tests.runtimes.downloads.fake_hubs import Hub

PASSWORD = "a long enough password"
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def a_free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def assert_fits(page, card=None):
    """Neither the page nor its card is wider than it can be shown, on any screen."""
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        root = "document.documentElement.scrollWidth"
        assert page.evaluate(root) <= size["width"], size
        if card:
            assert card.evaluate("card => card.scrollWidth <= card.clientWidth"), size


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


class Site(Installation):
    def open(self):
        self.port = a_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.serve()
        self.python(
            "from django.contrib.auth.models import User\n"
            f"User.objects.create_superuser('root', password={PASSWORD!r})"
        )
        self.start("monitor", "worker")
        self.until(lambda: answers(f"{self.url}/static/icon.svg"))

    def serve(self):
        self.env["WEB_PORT"] = str(self.port)
        self.start_process("web", [sys.executable, "-m", "llmplatform.servers", "web"])


CSP = "Content Security Policy"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
# For a page on a busy machine, where a test sets no limit of its own
MOST_MS = 90_000


@pytest.fixture(scope="package")
def hub():
    """Where the site downloads models from."""
    noise = random.Random(3).randbytes(4 * 2**20)
    files = {"config.json": b"{}", "smol.gguf": SMOLLM2.read_bytes(), "big.bin": noise}
    with Hub({"own/smol": files}) as hub:
        yield hub


@pytest.fixture(scope="package")
def site(hub):
    with Site(ALLOWED_HOSTS="127.0.0.1", HF_ENDPOINT=hub.url) as site:
        site.open()
        yield site


@pytest.fixture(scope="package")
def browser():
    """Gone before the next package: its event loop would be in the way of others."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=OPTIONS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def signed_in(site, browser):
    """Cookies of an admin."""
    context = browser.new_context()
    context.set_default_timeout(MOST_MS)
    page = context.new_page()
    page.goto(f"{site.url}/admin/login/")
    page.fill("[name=username]", "root")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/admin/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture(scope="package")
def context(site, browser, signed_in):
    """Shared: styles and scripts are fetched and compiled once, not for each page."""
    context = browser.new_context(
        base_url=site.url,
        storage_state=signed_in,
        viewport=DESKTOP,
    )
    context.set_default_timeout(MOST_MS)
    yield context
    context.close()


@pytest.fixture
def page(context, signed_in):
    """Fails a test whose page throws, or needs what its policy (CSP) forbids."""
    thrown = []
    page = context.new_page()
    page.on("pageerror", lambda error: thrown.append(error.stack or str(error)))
    page.on("console", lambda line: thrown.append(line.text) if CSP in line.text else 0)
    yield page
    page.close()
    context.clear_permissions()
    context.clear_cookies()
    context.add_cookies(signed_in["cookies"])
    assert thrown == []
