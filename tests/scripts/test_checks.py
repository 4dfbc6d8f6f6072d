import re
import subprocess

import yaml

from tests.conftest import TESTS

ROOT = TESTS.parent


def test_commit_hooks_are_the_checks_of_ci():
    script = (ROOT / "scripts/test.sh").read_text()
    steps = re.findall(r'^  step "([^"(]+)', script, re.MULTILINE)
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook["name"] for repo in config["repos"] for hook in repo["hooks"]]
    assert hooks == [step.strip() for step in steps]


def test_make_lists_its_targets():
    printed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    targets = re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.findall(r"^make (\w+)", printed, re.MULTILINE) == targets
