import re

import pytest
from babel.messages.pofile import read_po
from django.utils.translation import gettext, override

from models_app.enums import Operation, Status
from tests.conftest import LOCALE
from tests.phrases import phrases

PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|\{\w*\}")
# Chinese, then an ordinary word or the other way round; values and code stand apart.
WORD = "(API|CPU|GPU|GGUF|JSON|KV|HTTP|UID|UUID|XID|Docker|Excel|Hugging Face|token)"
CODE = "[A-Za-z0-9_./@-]"
SPACED_WORD = re.compile(
    f"[\u4e00-\u9fff] {WORD}(?!{CODE})|(?<!{CODE}){WORD} [\u4e00-\u9fff]"
)
MARKUP = re.compile(r"</?\w[^>]*>")


@pytest.fixture(scope="module")
def chinese():
    with (LOCALE / "zh_Hans/LC_MESSAGES/django.po").open("rb") as file:
        return read_po(file)


def test_chinese_has_every_phrase_of_the_source(chinese):
    missing = {
        where: phrase
        for phrase, where in phrases()
        if not (chinese.get(phrase) and chinese.get(phrase).string)
    }
    assert missing == {}


def test_chinese_has_no_doubtful_translation(chinese):
    assert [message.id for message in chinese if message.id and message.fuzzy] == []


def test_chinese_compiles_without_errors(chinese):
    """Such as for "5% of": "% o" is a placeholder."""
    assert [(message.id, errors) for message, errors in chinese.check()] == []


@pytest.mark.parametrize("pattern", [PLACEHOLDER, MARKUP])
def test_chinese_keeps_placeholders_and_markup(chinese, pattern):
    different = [
        message.id
        for message in chinese
        if message.id
        and sorted(pattern.findall(message.id))
        != sorted(pattern.findall(message.string))
    ]
    assert different == []


def test_chinese_has_no_translation_without_a_use(chinese):
    used = {phrase for phrase, _where in phrases()}
    unused = [
        message.id
        for message in chinese
        if message.id and message.id not in used and not message.auto_comments
    ]
    assert unused == []


def test_chinese_sets_ordinary_words_without_spaces(chinese):
    spaced = [m.string for m in chinese if m.id and SPACED_WORD.search(m.string)]
    assert spaced == []


def test_extraction_finds_python_templates_and_lazy_phrases():
    found = dict(phrases())
    assert "Waiting for resources" in found
    assert found["Add %(name)s"].startswith("templates/")


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
def test_status_labels_are_those_of_the_guide(status, text):
    with override("zh-hans"):
        assert str(Status(status).label) == text


@pytest.mark.parametrize(
    ("operation", "text"),
    [("start", "启动"), ("stop", "停止"), ("restart", "重启"), ("delete", "删除")],
)
def test_operation_labels_are_those_of_the_guide(operation, text):
    with override("zh-hans"):
        assert str(Operation(operation).label) == text


@pytest.mark.parametrize(
    ("english", "translated"),
    [("staff status", "管理界面登录权限"), ("groups", "用户组"), ("Filters", "筛选")],
)
def test_labels_of_libraries_follow_the_glossary(english, translated):
    with override("zh-hans"):
        assert gettext(english) == translated


@pytest.mark.parametrize(
    "phrase",
    [
        "This item will be deleted.",
        "Click to cancel",
        "No recent searches",
        "Recent searches",
        "Loading more results...",
        "No results matching your query",
    ],
)
def test_phrases_that_unfold_leaves_in_english_are_translated(phrase):
    with override("zh-hans"):
        assert gettext(phrase) != phrase
