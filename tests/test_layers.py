"""The architecture, as far as a program can check it. Imports between apps are
import-linter's part (pyproject.toml)."""

import ast
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = (
    "common",
    "llmplatform",
    "models_app",
    "runtimes",
    "monitoring",
    "scheduling",
    "gateway",
)
PROGRAMS = ("scripts", "benchmarks", "tests")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
SHOWN_SUFFIXES = {".py", ".sh", ".html", ".css", ".js", ".conf"}

# settings.py is handed the environment; manage.py and asgi.py name the settings; the
# shim and the engines are programs of their own.
MAY_READ_ENVIRONMENT = {
    "manage.py",
    "llmplatform/asgi.py",
    "llmplatform/environment.py",
    "llmplatform/settings.py",
    "runtimes/shim.py",
    *(str(p.relative_to(ROOT)) for p in (ROOT / "runtimes/engines").glob("*.py")),
}
OWNERS = {
    "status": {"models_app/lifecycle.py"},
    "desired_state": {"models_app/lifecycle.py"},
    "generation": {"models_app/lifecycle.py"},
    "state": {
        *("models_app/runs.py", "common/jobs.py", "common/job_runner.py"),
        *("monitoring/alerts/manager.py", "monitoring/alerts/rows.py"),
    },
}
FORBIDDEN_IN_TESTS = {
    "mock.patch",
    "monkeypatch.setattr",
    "pytest.skip",
    "pytest.importorskip",
    "pytest.xfail",
    "pytest.mark.skip",
    "pytest.mark.skipif",
    "pytest.mark.xfail",
}


def sources(*folders: str, suffixes=frozenset({".py"})) -> list[Path]:
    found = [p for folder in folders for p in (ROOT / folder).rglob("*")]
    return [
        path
        for path in [ROOT / "manage.py", *sorted(found)]
        if path.suffix in suffixes
        and not {"migrations", "vendor", "__pycache__"} & set(path.parts)
    ]


@cache
def nodes_of(path: Path) -> list[tuple[str, ast.AST]]:
    name = str(path.relative_to(ROOT))
    return [(name, node) for node in ast.walk(ast.parse(path.read_text()))]


def nodes(*folders: str) -> list[tuple[str, ast.AST]]:
    return [node for path in sources(*folders) for node in nodes_of(path)]


def written_fields(node: ast.AST) -> set[str]:
    """Fields of a row that this statement or call may write."""
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {target.attr for target in targets if isinstance(target, ast.Attribute)}
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if is_method and node.func.attr in {"update", "update_or_create"}:
        return {keyword.arg for keyword in node.keywords if keyword.arg}
    return set()


def test_modules_that_claim_to_be_pure_are_under_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [pure] = (
        contract["source_modules"]
        for contract in contracts["tool"]["importlinter"]["contracts"]
        if contract["name"] == "Pure cores import no Django"
    )
    claiming = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sources(*PRODUCT)
        if re.search(r"\bPure\b", ast.get_docstring(ast.parse(path.read_text())) or "")
    }
    assert len(claiming) > 20
    assert [
        name
        for name in sorted(claiming)
        if not any(f"{name}.".startswith(f"{package}.") for package in pure)
    ] == []


def test_only_settings_read_the_environment():
    readers = {
        path
        for path, node in nodes(*PRODUCT)
        if isinstance(node, ast.Attribute | ast.alias)
        and getattr(node, "attr", getattr(node, "name", ""))
        in {"environ", "environb", "getenv"}
    }
    assert readers <= MAY_READ_ENVIRONMENT
    assert "llmplatform/settings.py" in readers


def imported_packages(node: ast.AST) -> set[str]:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    return {name.partition(".")[0] for name in names}


def test_only_common_uses_broker_clients():
    users = {
        path
        for path, node in nodes(*PRODUCT)
        if {"redis", "valkey"} & imported_packages(node)
    }
    assert users == {"common/broker.py"}


def test_no_task_waits_in_a_way_that_swallows_its_cancellation():
    """asyncio.wait_for does in Python 3.11, when what it waits for ends at the same
    time; asyncio.timeout does not."""
    waiting = {
        path
        for path, node in nodes(*PRODUCT)
        if isinstance(node, ast.Attribute) and node.attr == "wait_for"
    }
    assert waiting == set()


@pytest.mark.parametrize("field", OWNERS)
def test_field_is_written_by_its_verbs_only(field):
    # The gateway has no rows to write; its answers have a status too.
    apps = [name for name in PRODUCT if name != "gateway"]
    writers = {path for path, node in nodes(*apps) if field in written_fields(node)}
    assert writers <= OWNERS[field]


def test_no_file_is_too_long():
    files = sources(*PRODUCT, *PROGRAMS, "templates", "static", suffixes=SHOWN_SUFFIXES)
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in files}
    assert {p: n for p, n in lengths.items() if n > MAX_FILE_LINES} == {}
    assert len(lengths) > 50


def test_no_function_is_too_long():
    functions = [
        (f"{path}:{node.name}", node.end_lineno - node.lineno + 1)
        for path, node in nodes(*PRODUCT, *PROGRAMS)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [(f, n) for f, n in functions if n > MAX_FUNCTION_LINES] == []
    assert len(functions) > 200


def test_tests_use_no_mocks_and_leave_nothing_out():
    used = {
        (path, name)
        for path, node in nodes("tests")
        for name in (ast.unparse(node) if isinstance(node, ast.Attribute) else "",)
        if name in FORBIDDEN_IN_TESTS
    }
    assert used == set()


@pytest.mark.parametrize(
    "script",
    [
        ".ci/run",
        *(f"scripts/{p.name}" for p in sorted((ROOT / "scripts").glob("*.sh"))),
    ],
)
def test_script_is_bash(script):
    done = subprocess.run(["bash", "-n", ROOT / script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
