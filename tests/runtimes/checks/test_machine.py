import os

import pytest

from runtimes.checks.machine import isolation
from runtimes.sandbox import landlock_abi


@pytest.mark.parametrize("is_on", [True, False])
def test_isolation_of_engines_is_reported(settings, is_on):
    settings.ENGINE_SANDBOX = is_on
    found = {finding.name: finding for finding in isolation()}
    assert ("user" in found) is (os.geteuid() == 0)
    enforced = is_on and landlock_abi() > 0
    assert found["sandbox"].level == ("ok" if enforced else "warning")
