import pytest


@pytest.fixture
def root(settings, tmp_path):
    """The only model folder; its name is new, so nothing was scanned in it before."""
    folder = tmp_path / "models"
    folder.mkdir()
    settings.MODEL_ROOTS = [folder]
    return folder
