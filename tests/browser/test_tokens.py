import pytest
from playwright.sync_api import expect

ADD = "/admin/models_app/apitoken/add/"
COPIES = ("secret", "example-curl", "example-python", "example-javascript")


@pytest.mark.parametrize("has_clipboard", [True, False], ids=["https", "http"])
def test_token_and_examples_are_copied(page, has_clipboard):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(ADD)
    page.fill("[name=name]", f"laptop {has_clipboard}")
    page.click("[name=_save]")
    token = page.input_value("#secret")
    read = "navigator.clipboard.readText()"
    if not has_clipboard:
        page.evaluate("window.kept = navigator.clipboard")
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: null})")
        read = "kept.readText()"
    for copied in COPIES:
        button = page.locator(f'[data-copy="{copied}"]')
        button.click()
        expect(button).to_have_text("Copied")
        assert token in page.evaluate(read)
    assert page.evaluate(read).startswith("// npm install openai\nimport OpenAI")
