import pytest

from tests.faults.installation import Installation


@pytest.fixture(scope="module")
def installation(request):
    """With the SETTINGS of the module, if it has any."""
    with Installation(**getattr(request.module, "SETTINGS", {})) as installation:
        yield installation


@pytest.fixture
def site(installation):
    """As newly made, whatever the test before has left."""
    installation.reset()
    return installation
