"""Every code that the product raises is registered once, and no other code is."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import gateway.messages  # noqa: F401 -- registers its codes
from common import messages

ROOT = Path(__file__).parents[1]
APPS = ("common", "models_app", "runtimes", "monitoring", "scheduling", "gateway")
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
# Callables whose first argument is a code
RAISING = {
    *("PlatformError", "Conflict", "DriverError", "Failed", "RangeError"),
    *("BadGguf", "BadFolder", "record", "render", "path_problem", "leave_out"),
    "_record",
}
# ... and those whose second argument is one
ENDING = {"end", "request_run_stop", "GatewayError"}
# Calls with a keyword `code` that is not one of ours: of Django's and DRF's errors
FOREIGN = {"ValidationError", "RegexValidator", "filter", "Exit"}


@cache
def sources() -> list[tuple[str, ast.AST]]:
    return [
        (str(path.relative_to(ROOT)), node)
        for app in (*APPS, "llmplatform")
        for path in (ROOT / app).rglob("*.py")
        if path.name != "messages.py" and path.parent.name != "migrations"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call | ast.Constant | ast.JoinedStr | ast.Tuple)
    ]


@cache
def constants() -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """Strings, and patterns of f-strings that have letters of their own."""
    texts, patterns = set(), set()
    for _, node in sources():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
        elif isinstance(node, ast.JoinedStr) and len(node.values) == 2:
            patterns.add(pattern_of(node))
    named = [p for p in patterns if re.search("[a-z]{4}", p.replace("[a-z_]+", ""))]
    return frozenset(texts), tuple(map(re.compile, named))


def pattern_of(text: ast.JoinedStr) -> str:
    return "".join(
        re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-z_]+"
        for part in text.values
    )


def raised() -> Iterator[tuple[str, str]]:
    """(code, file) of each code that is written out where it is raised."""
    for path, node in sources():
        if isinstance(node, ast.Call):
            yield from ((code, path) for code in codes_of(node))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            code, found = node.elts  # how frameworks recognise the end of an engine
            if isinstance(found, ast.Call) and name_of(found) == "pattern":
                yield from ((text, path) for text in strings(code))


def codes_of(call: ast.Call) -> Iterator[str]:
    name = name_of(call)
    keywords = {k.arg: k.value for k in call.keywords}
    if "code" in keywords and name not in FOREIGN:
        yield from strings(keywords["code"])
    if name in RAISING and call.args:
        yield from strings(call.args[0])
    worded_elsewhere = keywords.keys() & {"message_code", "text", "problems"}
    if name in ENDING and len(call.args) > 1 and not worded_elsewhere:
        yield from strings(call.args[1])


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def strings(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from strings(node.body)
        yield from strings(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_every_callable_that_takes_a_code_is_known():
    called = {name_of(node) for _, node in sources() if isinstance(node, ast.Call)}
    assert (RAISING | ENDING | {"pattern"}) - called == set()


def test_every_raised_code_is_registered():
    found = {(code, path) for code, path in raised() if CODE.fullmatch(code)}
    assert len({code for code, _ in found}) > 150
    assert {pair for pair in found if pair[0] not in messages.registry} == set()


def test_every_registered_code_is_raised():
    texts, patterns = constants()
    unused = [
        code
        for code in messages.registry
        if code not in texts and not any(p.fullmatch(code) for p in patterns)
    ]
    assert unused == []


def test_every_reason_is_registered_by_the_app_that_raises_it():
    """Or by a lower app, for codes that several apps raise."""
    home = {}
    for path in ROOT.rglob("messages.py"):
        app = path.relative_to(ROOT).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and name_of(node) == "Reason":
                home.update(dict.fromkeys(strings(node.args[0]), app))
    assert home.keys() == messages.registry.keys()
    above = [
        (code, home[code], path)
        for code, path in raised()
        if code in home
        and (app := path.split("/")[0]) in APPS
        and APPS.index(home[code]) > APPS.index(app)
    ]
    assert above == []
