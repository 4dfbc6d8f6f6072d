"""Models fetched from a hub, by the library's page."""

PAGE = "/admin/runtimes/node/library/"


def ask(page, **texts):
    page.locator("[data-form] summary").click()
    for name, value in texts.items():
        page.fill(f"[data-form] [name={name}]", value)
    page.locator("[data-form] summary").click()
    page.locator("[data-form] button[type=submit]").click()


def row(page, folder, state):
    """Of the download into that folder, when it is in that state."""
    found = page.locator(f"[data-downloads] li[data-state={state}]", has_text=folder)
    found.wait_for(timeout=60_000)
    return found


def test_model_is_fetched_and_shown_in_the_library(page, hub):
    hub.pause_s = 0.002
    page.goto(PAGE)
    ask(page, repo="own/smol", files="*.gguf", folder="fetched")
    going = row(page, "fetched", "running")
    going.locator("text=/MiB\\/s/").wait_for()
    percent = int(going.locator("[role=progressbar]").get_attribute("aria-valuenow"))
    assert 0 < percent < 100
    done = row(page, "fetched", "done")
    assert "93.8 MiB" in done.inner_text().replace("\u00a0", " ")
    done.locator("[data-show]").click()
    page.locator("[data-path$='/fetched/smol.gguf'] >> text=135 M").wait_for()


def test_download_is_cancelled_and_gone_on_with(page, hub):
    hub.pause_s = 0.05
    page.goto(PAGE)
    ask(page, repo="own/smol", files="big.bin", folder="later")
    row(page, "later", "running").locator("[data-do=cancel]").click()
    cancelled = row(page, "later", "cancelled")
    hub.pause_s = 0
    cancelled.locator("[data-do=retry]").click()
    row(page, "later", "done").locator("[data-do=remove]").click()
    page.locator("[data-downloads] li", has_text="later").wait_for(state="detached")


def test_error_is_shown_beside_its_field(page):
    page.goto(PAGE)
    ask(page, repo="no such thing", folder="never")
    shown = page.locator("[data-problem]:not([hidden])")
    shown.wait_for()
    assert "owner/name" in shown.inner_text()
    assert page.evaluate("document.activeElement.name") == "repo"
    ask(page, repo="own/none", folder="..")
    page.wait_for_function("document.activeElement.name == 'folder'")
    assert not shown.inner_text().startswith("folder")
    page.locator("[data-form] summary").click()
    ask(page, repo="own/none", folder="none")
    failed = row(page, "none", "failed")
    assert "HF_TOKEN" in failed.locator("[data-field=reason]").inner_text()
