import hashlib
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[2] / "static/vendor"
PACKAGES = sorted(path.name for path in VENDOR.iterdir())


def sums(package):
    lines = (VENDOR / package / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in map(str.split, lines)}


@pytest.mark.parametrize("package", PACKAGES)
def test_vendored_files_are_those_that_were_fetched(package):
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (VENDOR / package).iterdir()
        if path.name != "SHA256SUMS"
    }
    assert found == sums(package)
    assert {"LICENSE", "VERSION"} <= set(found)


def test_script_fetches_the_version_that_is_there():
    script = (VENDOR.parents[1] / "scripts/vendor-uplot.sh").read_text()
    version = (VENDOR / "uplot/VERSION").read_text().strip()
    assert f"\nVERSION={version}\n" in script
