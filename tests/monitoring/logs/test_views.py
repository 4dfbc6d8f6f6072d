import pytest
from django.test import Client
from django.urls import reverse

from models_app.admin.base import log_link
from models_app.enums import RunState
from tests.builders import a_model, a_run, a_user
from tests.monitoring.logs.log_writer import LogWriter

pytestmark = pytest.mark.django_db


def signed_in(group="viewer", language="en"):
    client = Client(headers={"Accept-Language": language})
    client.force_login(a_user(group, is_staff=True))
    return client


def page_of(model):
    return reverse("admin:monitoring_log", args=[model.pk])


def test_page_shows_the_newest_run_with_its_last_lines_as_text():
    writer = LogWriter()
    writer.write_lines("<script>alert(1)</script>", "\x1b[31mred")
    html = signed_in().get(page_of(writer.run.model)).content.decode()
    assert f'data-log="{writer.uid}"' in html
    assert "<div>&lt;script&gt;alert(1)&lt;/script&gt;</div><div>red</div>" in html
    assert "data-ended" not in html


@pytest.mark.parametrize(
    ("language", "reason", "advice"),
    [
        (
            "en",
            "The engine ran out of memory.",
            "Lower the context size, use a smaller",
        ),
        ("zh-hans", "推理引擎的内存不足。", "请减小上下文长度，改用更小的模型"),
    ],
)
def test_ended_run_shows_reason_and_advice(language, reason, advice):
    writer = LogWriter()
    writer.write_lines("no more")
    writer.end("out_of_memory", exit_code=3)
    html = signed_in(language=language).get(page_of(writer.run.model)).content.decode()
    for part in ("data-ended", reason, advice, "<div>no more</div>"):
        assert part in html


def test_older_run_links_to_the_newer_one():
    writer = LogWriter(RunState.ENDED)
    model = writer.run.model
    newer = a_run(model)
    client = signed_in()
    html = client.get(f"{page_of(model)}?run={writer.uid}").content.decode()
    assert f'data-log="{writer.uid}"' in html
    assert f'<option value="{newer.uid}">' in html
    assert "A newer run exists" in html
    link = client.get(reverse("admin:monitoring_run_log", args=[writer.run.pk]))
    assert link.url == f"{page_of(model)}?run={writer.uid}"


def test_header_can_be_requested_alone():
    writer = LogWriter()
    url = f"{page_of(writer.run.model)}?part=head&run={writer.uid}"
    html = signed_in().get(url).content.decode()
    assert html.lstrip().startswith("<section")
    assert "data-lines" not in html


def test_model_without_runs_shows_a_notice():
    html = signed_in().get(page_of(a_model())).content.decode()
    assert "This model was never started." in html


@pytest.mark.parametrize("run", ["0" * 32, "x", "%00", "../.."])
def test_unknown_run_is_404(run):
    model = a_model()
    assert signed_in().get(f"{page_of(model)}?run={run}").status_code == 404


def test_only_viewers_of_models_see_logs():
    writer = LogWriter()
    urls = [
        page_of(writer.run.model),
        reverse("admin:monitoring_run_log", args=[writer.run.pk]),
    ]
    viewer = signed_in()
    assert [viewer.post(url).status_code for url in urls] == [405, 405]
    outsider = signed_in("")
    assert [outsider.get(url).status_code for url in urls] == [403, 403]
    assert [Client().get(url).status_code for url in urls] == [302, 302]


def test_other_pages_link_to_the_log():
    writer = LogWriter()
    writer.end("crashed")
    client = signed_in("admin")
    model = reverse("admin:models_app_servedmodel_change", args=[writer.run.model_id])
    runs = reverse("admin:models_app_run_changelist")
    activity = reverse("admin:models_app_activity_changelist")
    for url in (model, runs, activity):
        href = reverse("admin:monitoring_run_log", args=[writer.run.pk])
        assert f'href="{href}"' in client.get(url).content.decode(), url
    assert page_of(writer.run.model) in client.get(model).content.decode()
    assert ">Log<" in log_link(writer.run.pk)
