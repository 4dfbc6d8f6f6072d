"""Pages of the libraries work under the site's Content-Security-Policy."""

from playwright.sync_api import expect


def test_swagger_ui_lists_the_operations(page):
    page.goto("/docs")
    expect(page.locator(".opblock").first).to_be_visible(timeout=30_000)


def test_browsable_api_has_a_form_for_new_models(page):
    page.goto("/api/models")
    expect(page.get_by_role("button", name="POST").first).to_be_visible()


def test_inline_script_is_blocked(browser, site):
    page = browser.new_page(base_url=site.url)
    page.goto("/admin/login/")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.injected = true";
            document.body.append(script);
        }"""
    )
    assert page.evaluate("() => window.injected") is None
    page.close()
