import re
from html import unescape

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.messages.storage.cookie import CookieStorage
from django.utils.translation import override

from common.exceptions import Conflict
from models_app.admin.served_models import ServedModelAdmin
from models_app.enums import RunState
from models_app.models import Activity, ServedModel
from tests.builders import a_model, a_run, a_wanted_model
from tests.models_app.people import a_person, client_as, page_of

pytestmark = pytest.mark.django_db

LIST = "/admin/models_app/servedmodel/"
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture
def operator():
    return client_as("operator")


@pytest.fixture
def model_file(settings, tmp_path):
    settings.MODEL_ROOTS = [tmp_path]
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF")
    return str(path)


def form(model_file, **changes):
    return {
        "name": "tiny", "display_name": "Tiny", "description": "", "tags": "a, 乙，b",
        "framework": "llama.cpp", "driver": "process",
        "config": f'{{"model_path": "{model_file}", "n_ctx": 512}}',
        "gpu_count": 0, "gpu_memory_mib": 0, "cpu_cores": "", "memory_mib": 0,
        "priority": 5, "preemptible": "on", "replicas": 1, "cache_ttl_s": 0, **changes,
    }  # fmt: skip


# The list


def some_models(count):
    for number in range(count):
        model = a_wanted_model(f"m{number}", status="running", replicas=2)
        model.tags.set(["chat", f"t{number}"])
        a_run(model, RunState.READY, replica=0)
        a_run(model, RunState.ENDED, replica=1)


@pytest.mark.parametrize("rows", [1, 3])
def test_list_takes_the_same_queries_for_any_number(
    operator, rows, django_assert_num_queries
):
    some_models(rows)
    page_of(operator, LIST)  # content types, permissions of the session
    with django_assert_num_queries(10):
        page_of(operator, LIST)


@pytest.mark.parametrize("rows", [1, 3])
def test_live_rows_take_the_same_queries_for_any_number(
    operator, rows, django_assert_num_queries
):
    some_models(rows)
    ids = ",".join(map(str, ServedModel.objects.values_list("pk", flat=True)))
    with django_assert_num_queries(7):
        page_of(operator, f"{LIST}live/?ids={ids}")


def test_list_shows_replicas_ready_of_those_wanted(operator):
    some_models(1)
    assert ">1/2<" in page_of(operator, LIST)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("stopped", "未启动"),
        ("starting", "启动中"),
        ("running", "运行中"),
        ("stopping", "停止中"),
        ("error", "错误"),
        ("waiting", "等待资源"),
    ],
)
def test_list_names_the_status_in_chinese(operator, status, text):
    desired = "stopped" if status == "stopped" else "running"
    model = a_model(status=status, desired_state=desired)
    url = f"{LIST}live/?ids={model.pk}"
    assert f"\n{text}\n" in page_of(operator, url, accept_language="zh-CN")


def test_list_uses_the_terms_of_the_guide(operator):
    a_model()
    page = page_of(operator, LIST, accept_language="zh-CN")
    for text in ("LLM推理服务", "模型管理", "添加模型", "活动日志", "启动", "优先级"):
        assert text in page


def test_list_shows_the_reason(operator):
    params = {"needed": 8, "node": "gpu-01", "free": 2, "total": 4}
    a_wanted_model(
        status="waiting", reason_code="insufficient_cpu", reason_params=params
    )
    text = "Needs 8 CPU cores; 2 of 4 are free on gpu-01."
    assert text in page_of(operator, LIST)
    zh = page_of(operator, LIST, accept_language="zh-CN")
    assert "需要 8 个CPU核心；gpu-01 共 4 个，空闲 2 个。" in zh


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"one", "two"}),
        ("?status__exact=starting", {"two"}),
        ("?framework=llama.cpp", {"one", "two"}),
        ("?tag=chat", {"one"}),
        ("?q=two", {"two"}),
        ("?q=CHA", {"one"}),
        ("?q=secret-words", {"one"}),
    ],
)
def test_list_is_filtered_and_searched(operator, query, names):
    one, _ = a_model("one", description="secret-words"), a_wanted_model("two")
    one.tags.set(["chat"])
    rows = operator.get(LIST + query).context["cl"].result_list
    assert {model.name for model in rows} == names


@pytest.mark.parametrize("ids", ["", "x", "1,,2", "²", "9" * 30, "-1", "1," * 500])
def test_live_rows_survive_any_ids(operator, ids):
    assert operator.get(f"{LIST}live/", {"ids": ids}).status_code == 200


def test_hostile_text_is_escaped_everywhere(operator):
    model = a_wanted_model(
        display_name=HOSTILE, description=HOSTILE, config={"model_path": HOSTILE},
        status="error", reason_code="launch_failed", reason_params={"detail": HOSTILE},
    )  # fmt: skip
    model.tags.set([HOSTILE])
    a_run(model, RunState.STARTING, node=HOSTILE, log_tail=HOSTILE)
    Activity.objects.create(
        model=model, model_name="smol", code="run_ready", params={"node": HOSTILE}
    )
    page = f"{LIST}{model.pk}"
    for url in ("/admin/", LIST, f"{page}/change/", f"{page}/live/"):
        assert HOSTILE not in page_of(operator, url)
    for url in ("/admin/models_app/run/", "/admin/models_app/activity/"):
        assert HOSTILE not in page_of(operator, url)


# The form


def test_add_saves_a_model_with_its_tags(operator, model_file):
    answer = operator.post(f"{LIST}add/", form(model_file))
    assert answer.status_code == 302
    model = ServedModel.objects.get(name="tiny")
    assert model.config == {"model_path": model_file, "n_ctx": 512}
    assert sorted(model.tags.names()) == ["a", "b", "乙"]
    event = Activity.objects.get(code="model_created")
    assert (event.actor_name, event.model_id) == ("operator", model.pk)


class Overtaken(ServedModelAdmin):
    def save_model(self, request, obj, form, change):
        raise Conflict("conflict", model=obj.name)


def test_add_reports_a_conflict_with_another_request(rf, model_file):
    request = rf.post(f"{LIST}add/", form(model_file))
    request.user = a_person("operator")
    request._messages = CookieStorage(request)
    request._dont_enforce_csrf_checks = True
    answer = Overtaken(ServedModel, admin.site).add_view(request)
    assert answer.url == f"{LIST}add/"
    assert [str(message) for message in request._messages] == [
        "Model tiny was changed by someone else in the meantime. Try again."
    ]


@pytest.mark.parametrize(
    ("changes", "field", "text"),
    [
        (
            {"config": '{"model_path": "/etc/passwd"}'},
            "config",
            "/etc/passwd is outside the model folders.",
        ),
        ({"config": '{"n_ctz": 1}'}, "config", "Did you mean n_ctx?"),
        ({"config": "{"}, "config", "Enter a valid JSON."),
        ({"config": "[" * 100_000}, "config", "Enter a valid JSON."),
        ({"config": '{"n_ctx": ' + "9" * 5000 + "}"}, "config", "Enter a valid JSON."),
        ({"config": '{"a": NaN}'}, "config", "not finite"),
        ({"config": "[1]"}, "config", "must be a JSON object"),
        ({"config": '{"extra_args": {}}'}, "config", "Only administrators"),
        ({"tags": ",".join(map(str, range(51)))}, "tags", "At most 50 tags"),
        ({"tags": "x" * 101}, "tags", "100 characters"),
        ({"gpu_memory_mib": 5}, "gpu_memory_mib", "gpu_count is 0"),
        ({"name": "Not A Slug"}, "name", "Use 1 to 63 of"),
        ({"name": "taken"}, "name", "already named"),
        ({"priority": 11}, "priority", "10"),
        ({"cache_ttl_s": 86_401}, "cache_ttl_s", "86400"),
        ({"framework": "tgi"}, "framework", "tgi"),
        ({"replicas": 0}, "replicas", "1"),
    ],
)
def test_add_explains_what_is_wrong_at_its_field(
    operator, model_file, changes, field, text
):
    a_model("taken")
    answer = operator.post(f"{LIST}add/", form(model_file, **changes))
    assert answer.status_code == 200
    assert text in " ".join(answer.context["adminform"].errors[field])
    assert not ServedModel.objects.exclude(name="taken").exists()


def test_aliases_are_separated_by_commas(operator, model_file):
    given = "Qwen/Qwen2.5-0.5B-Instruct， llama3:8b,"
    operator.post(f"{LIST}add/", form(model_file, aliases=given))
    model = ServedModel.objects.get()
    assert model.aliases == ["Qwen/Qwen2.5-0.5B-Instruct", "llama3:8b"]
    page = operator.get(f"{LIST}{model.pk}/change/").content.decode()
    assert "Qwen/Qwen2.5-0.5B-Instruct, llama3:8b" in page
    answer = operator.post(f"{LIST}add/", form(model_file, name="b", aliases="tiny"))
    assert "already the name" in str(answer.context["adminform"].errors["aliases"])


@pytest.mark.parametrize("field", sorted(form("")))
def test_post_may_lack_any_field(operator, model_file, field):
    fields = form(model_file)
    del fields[field]
    answer = operator.post(f"{LIST}add/", fields)
    rejected = answer.status_code == 200 and answer.context["adminform"].errors
    assert answer.status_code == 302 or list(rejected) == [field]


def test_every_problem_of_a_config_is_a_line_of_its_own(operator, model_file):
    config = f'{{"model_path": "{model_file}", "n_ctx": 0, "top_p": 7}}'
    answer = operator.post(f"{LIST}add/", form(model_file, config=config))
    assert len(answer.context["adminform"].errors["config"]) == 2


def test_change_saves_and_records_what_changed(operator, model_file):
    operator.post(f"{LIST}add/", form(model_file))
    model = ServedModel.objects.get(name="tiny")
    changed = form(model_file, priority=9, tags="c")
    answer = operator.post(f"{LIST}{model.pk}/change/", changed)
    assert answer.status_code == 302
    model.refresh_from_db()
    assert (model.priority, list(model.tags.names())) == (9, ["c"])
    event = Activity.objects.get(code="model_updated")
    assert "priority" in event.message


@pytest.mark.parametrize(
    ("language", "change"),
    [("en", ", priority, "), ("zh-hans", "，优先级，")],
)
def test_history_names_changed_fields_in_the_readers_language(
    operator, model_file, language, change
):
    operator.post(f"{LIST}add/", form(model_file))
    model = ServedModel.objects.get(name="tiny")
    operator.post(f"{LIST}{model.pk}/change/", form(model_file, priority=9))
    entry = LogEntry.objects.first()
    with override(language):
        assert change in entry.get_change_message()


def test_change_keeps_what_others_changed_meanwhile(operator, model_file):
    operator.post(f"{LIST}add/", form(model_file))
    model = ServedModel.objects.get(name="tiny")
    page = page_of(operator, f"{LIST}{model.pk}/change/")
    sent = re.findall(r'name="(initial-\w+)" value="([^"]*)"', page)
    ServedModel.objects.update(priority=9, config={"n_ctx": 7}, preemptible=False)
    mine = {**dict(sent), **form(model_file), "description": "mine"}
    mine = {name: unescape(str(value)) for name, value in mine.items()}
    answer = operator.post(f"{LIST}{model.pk}/change/", mine)
    assert answer.status_code == 302
    model.refresh_from_db()
    assert (model.description, model.priority) == ("mine", 9)
    assert (model.config, model.preemptible) == ({"n_ctx": 7}, False)


@pytest.mark.parametrize(("status", "renamed"), [("stopped", True), ("running", False)])
def test_only_a_stopped_model_is_renamed(operator, model_file, status, renamed):
    model = a_model("old", status=status, desired_state=status)
    operator.post(f"{LIST}{model.pk}/change/", form(model_file, name="new"))
    model.refresh_from_db()
    assert (model.name == "new") is renamed
    assert model.display_name == "Tiny"


def test_change_of_a_running_model_leaves_it_running(operator, model_file):
    model = a_wanted_model("tiny", status="running", config={"model_path": model_file})
    operator.post(f"{LIST}{model.pk}/change/", form(model_file))
    model.refresh_from_db()
    assert (model.status, model.desired_state, model.generation) == (
        "running", "running", 1,
    )  # fmt: skip


def test_response_cache_is_switched_on_without_a_restart(operator, model_file):
    config = {"model_path": model_file, "n_ctx": 512}
    model = a_wanted_model("tiny", status="running", config=config)
    run = a_run(model, RunState.READY)
    operator.post(f"{LIST}{model.pk}/change/", form(model_file, cache_ttl_s=600))
    model.refresh_from_db()
    assert (model.cache_ttl_s, model.generation) == (600, 1)
    assert run.outdated_fields() == []


def test_config_is_shown_pretty_and_with_its_own_letters(operator):
    model = a_model(config={"model_path": "/models/模型.gguf", "n_ctx": 1})
    page = page_of(operator, f"{LIST}{model.pk}/change/")
    assert "{\n  &quot;model_path&quot;: &quot;/models/模型.gguf&quot;," in page


def test_form_names_the_keys_of_each_framework(operator):
    page = page_of(operator, f"{LIST}add/")
    assert "llama.cpp: <code>model_path n_ctx" in page


def test_new_model_has_an_empty_configuration(operator):
    page = page_of(operator, f"{LIST}add/")
    [shown] = re.findall(
        r'<textarea name="config"[^>]*>\s*(.*?)</textarea>', page, re.S
    )
    assert shown == "{}"


def test_form_uses_the_terms_of_the_guide(operator):
    page = page_of(operator, f"{LIST}add/", accept_language="zh-CN")
    for text in (
        "基本信息", "模型名称", "显示名称", "描述", "标签", "框架配置", "框架类型",
        "资源配置", "GPU需求", "内存需求", "CPU核心", "优先级", "保存",
    ):  # fmt: skip
        assert text in page


# Deleting


@pytest.fixture
def administrator():
    return client_as("admin")


def test_delete_takes_a_stopped_model_and_its_runs(administrator):
    model = a_model()
    a_run(model, RunState.ENDED)
    administrator.post(f"{LIST}{model.pk}/delete/", {"post": "yes"})
    assert not ServedModel.objects.exists()
    assert Activity.objects.get(code="model_deleted").actor_name == "admin"


@pytest.mark.parametrize("method", ["get", "post"])
def test_delete_of_a_running_model_is_refused_with_the_reason(administrator, method):
    model = a_wanted_model(status="running")
    answer = getattr(administrator, method)(f"{LIST}{model.pk}/delete/", follow=True)
    assert ServedModel.objects.exists()
    assert "“Running”, which does not allow “Delete”." in answer.content.decode()


def test_page_of_a_running_model_explains_how_to_delete_it(administrator, operator):
    model = a_wanted_model(status="running")
    text = "To delete this model, stop it first."
    assert text in page_of(administrator, f"{LIST}{model.pk}/change/")
    assert text not in page_of(operator, f"{LIST}{model.pk}/change/")


@pytest.mark.parametrize(("second", "left"), [("stopped", 0), ("running", 2)])
def test_bulk_delete_takes_all_or_none(administrator, second, left):
    one = a_model("one")
    two = a_model("two", status=second, desired_state=second)
    chosen = {
        "action": "delete_selected",
        "_selected_action": [one.pk, two.pk],
        "post": "yes",
    }
    answer = administrator.post(LIST, chosen, follow=True)
    assert ServedModel.objects.count() == left
    refused = "“Running”, which does not allow “Delete”." in answer.content.decode()
    assert refused is bool(left)
