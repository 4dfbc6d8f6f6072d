import os
import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import pytest
from django.test import Client

from models_app.models import ServedModel
from tests import builders
from tests.gguf import a_gguf
from tests.models_app.people import ROLES, client_as
from tests.runtimes.library.folders import a_model, in_parts, put

pytestmark = pytest.mark.django_db

PAGE = "/admin/runtimes/node/library/"
MAY_ADD = {"operator", "admin", "superuser"}


def page_of(client, url=PAGE, **headers) -> str:
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def links(page: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="([^"]+/add/\?[^"]*)"', page)]


class Fields(HTMLParser):
    """What a browser sends of an unchanged form."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent, self.select, self.area = {}, "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        name = attributes.get("name", "")
        if tag == "input" and (
            attributes.get("type") != "checkbox" or "checked" in attributes
        ):
            self.sent[name] = attributes.get("value") or ""
        self.select = name if tag == "select" else self.select
        self.area = name if tag == "textarea" else self.area
        if tag == "option" and "selected" in attributes:
            self.sent[self.select] = attributes.get("value", "")
        if tag == "textarea":
            self.sent[name] = ""

    def handle_data(self, data):
        if self.area:
            self.sent[self.area] += data

    def handle_endtag(self, tag):
        self.area = "" if tag == "textarea" else self.area


@pytest.mark.parametrize("role", ROLES)
def test_page_opens_for_those_who_view_models(root, role):
    answer = client_as(role).get(PAGE)
    if role == "anonymous":
        assert answer.url.startswith("/admin/login/")
    else:
        assert answer.status_code == (403 if role == "outsider" else 200)


@pytest.mark.parametrize("role", ["viewer", "operator", "admin", "superuser"])
def test_only_those_who_add_models_are_offered_to(root, role):
    path = a_model(root / "tiny.gguf")
    url = f"{PAGE}add/?path={quote(str(path), safe='')}"
    page = page_of(client_as(role))
    assert links(page) == ([url] if role in MAY_ADD else [])
    assert (f'action="{PAGE}scan/"' in page and "refresh" in page) is (role in MAY_ADD)


@pytest.mark.parametrize("role", ROLES)
def test_who_may_follow_the_link(root, role):
    path = a_model(root / "tiny.gguf")
    client = client_as(role)
    answers = [
        client.get(f"{PAGE}add/", {"path": str(path)}),
        client.post(f"{PAGE}scan/"),
    ]
    if role == "anonymous":
        assert all(each.url.startswith("/admin/login/") for each in answers)
    else:
        assert [each.status_code for each in answers] == [
            302 if role in MAY_ADD else 403
        ] * 2


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["Model library", "Q4_K_M", "4096", "1.8 K", "Adapter (LoRA)",
                "Incomplete", "does not exist", "points outside the model folders"]),
        ("zh-hans", ["模型库", "适配器（LoRA）", "不完整", "估算内存", "已跳过"]),
    ],
)  # fmt: skip
def test_page_lists_the_entries(root, language, texts):
    a_model(root / "tiny.gguf")
    a_model(root / "lora.gguf", **{"general.type": "adapter"})
    in_parts(root, 1, 3)
    (root / "out.gguf").symlink_to("/etc/hostname")
    page = page_of(client_as("viewer"), **{"Accept-Language": language})
    for expected in texts:
        assert expected in page


def test_memory_on_a_gpu_is_reported_where_there_are_some(root):
    a_model(root / "tiny.gguf")
    viewer = client_as("viewer")
    assert "On a GPU:" not in page_of(viewer)
    builders.a_node(gpus=[24_000])
    assert re.search(r"On a GPU: \d+ MiB", page_of(viewer))


def test_page_names_the_models_that_serve_a_file(root):
    path = a_model(root / "tiny.gguf")
    model = builders.a_model("chat", config={"model_path": str(path)})
    page = page_of(client_as("viewer"))
    assert f"/servedmodel/{model.pk}/change/" in page
    assert "Served as" in page


@pytest.mark.parametrize(
    "name", [b"<script>alert(1)</script>.gguf".replace(b"/", b"_"), b"\xff\xfe.gguf",
             b"a\nb.gguf", b'"onload="x.gguf', "模型 7B.gguf".encode()]
)  # fmt: skip
def test_odd_names_break_nothing(root, name):
    put(root / os.fsdecode(name), a_gguf())
    client = client_as("operator")
    page = page_of(client)
    assert "<script>alert(1)" not in page
    assert '"onload="' not in page
    for link in links(page):
        form = client.get(link, follow=True)
        assert form.status_code == 200
        assert Fields(form.content.decode()).sent["name"]


def test_thousand_entries_are_shown_in_pages(root):
    for number in range(120):
        a_model(root / f"{'even' if number % 2 == 0 else 'odd'}-{number:04}.gguf")
    client = client_as("operator")
    assert len(links(page_of(client))) == 50
    last = page_of(client, f"{PAGE}?search=even&page=2")
    assert len(links(last)) == 10
    assert 'href="?framework=&amp;search=even&amp;page=1"' in last
    assert len(links(page_of(client, f"{PAGE}?page=nonsense"))) == 50
    assert "No models match" in page_of(client, f"{PAGE}?framework=other")


def test_few_queries_however_many_rows(root, django_assert_max_num_queries):
    for number in range(30):
        path = a_model(root / f"{number}.gguf")
        builders.a_model(f"m{number}", config={"model_path": str(path)})
    client = client_as("viewer")
    with django_assert_max_num_queries(8):
        page_of(client)


def test_scan_again_finds_what_is_new(root):
    client = client_as("operator")
    assert "There are no models" in page_of(client)
    a_model(root / "tiny.gguf")
    answer = client.post(f"{PAGE}scan/", follow=True)
    assert "Models and files found: 1" in answer.content.decode()
    assert links(answer.content.decode())


def test_scan_needs_a_post_with_its_token(root):
    client = Client(enforce_csrf_checks=True)
    client.force_login(builders.a_user("operator", is_staff=True))
    assert client.get(f"{PAGE}scan/").status_code == 405
    assert client.post(f"{PAGE}scan/").status_code == 403


def test_empty_library_names_where_to_put_models(root):
    page = page_of(client_as("viewer"))
    assert "MODEL_ROOTS" in page
    assert f"<code>{root}</code>" in page


def test_form_that_is_filled_in_can_be_saved_as_it_is(root):
    path = a_model(root / "Tiny 1B.Q4_K_M.gguf")
    client = client_as("operator")
    [link] = links(page_of(client))
    form = client.get(link, follow=True)
    url = form.redirect_chain[-1][0]
    assert url.startswith("/admin/models_app/servedmodel/add/?")
    fields = Fields(form.content.decode()).sent
    answer = client.post(url, {**fields, "_save": "Save"})
    assert answer.status_code == 302, answer.content.decode()
    model = ServedModel.objects.get()
    assert (model.name, model.display_name) == ("tiny-1b.q4_k_m", "Tiny 1B.Q4_K_M")
    assert model.config == {"model_path": str(path), "n_ctx": 2048}
    assert (model.framework, model.driver) == ("llama.cpp", "process")
    assert model.memory_mib > 0


@pytest.mark.parametrize("path", ["", "/etc/passwd", "broken.gguf", "lora.gguf"])
def test_what_cannot_be_added_is_reported(root, path):
    put(root / "broken.gguf", b"GGUF")
    a_model(root / "lora.gguf", **{"general.type": "adapter"})
    target = str(root / path) if path.endswith(".gguf") else path
    answer = client_as("operator").get(f"{PAGE}add/", {"path": target}, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "cannot be added" in answer.content.decode()


@pytest.mark.parametrize("config", ["{", "7", "[" * 5000, "null", '{"n_ctx": 7}'])
def test_form_takes_any_config_of_an_address(config):
    answer = client_as("operator").get(
        "/admin/models_app/servedmodel/add/", {"config": config, "name": "x"}
    )
    assert answer.status_code == 200
    shown = Fields(answer.content.decode()).sent["config"].strip()
    assert shown == ('{\n  "n_ctx": 7\n}' if config[0] == "{" and config[1:] else "{}")


@pytest.mark.parametrize(("language", "label"), [("en", "Embedding"), ("zh", "嵌入")])
def test_page_names_the_kind_of_a_model(root, language, label):
    a_model(root / "m.gguf", **{"llama.pooling_type": 1})
    page = page_of(client_as("viewer"), accept_language=language)
    assert f"llama.cpp · {label}</small>" in page
