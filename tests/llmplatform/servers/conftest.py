import pytest

from tests.llmplatform.servers.site import QUICK, Site


@pytest.fixture(scope="package")
def site():
    with Site(**QUICK) as site:
        yield site.serve()


@pytest.fixture(scope="package")
def token(site):
    return site.token()
