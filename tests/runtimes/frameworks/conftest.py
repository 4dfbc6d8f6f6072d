import pytest

from runtimes.demo import packaged_file


@pytest.fixture(scope="session")
def model():
    return packaged_file()
