import os

import pytest

from runtimes.preflight.permissions import unreadable

OTHER = (65534, 65534)


@pytest.fixture
def root(tmp_path):
    for folder in ("models", "models/llama"):
        (tmp_path / folder).mkdir()
    (tmp_path / "models/llama/m.gguf").touch()
    tmp_path.chmod(0o700)
    return tmp_path / "models"


@pytest.mark.parametrize(
    ("modes", "closed"),
    [
        ({}, None),
        ({"llama/m.gguf": 0o600}, "llama/m.gguf"),
        ({"llama/m.gguf": 0o640}, "llama/m.gguf"),
        ({"llama/m.gguf": 0o604}, None),
        ({"llama": 0o700}, "llama"),
        ({"llama": 0o701}, None),
        ({"": 0o700}, ""),
        ({"": 0o700, "llama/m.gguf": 0o600}, ""),
    ],
)
def test_other_user_needs_access_to_the_file_and_every_folder(root, modes, closed):
    for name in ("", "llama"):
        (root / name).chmod(0o755)
    for name, mode in modes.items():
        (root / name).chmod(mode)
    expected = None if closed is None else root / closed
    assert unreadable([root / "llama/m.gguf"], [root], OTHER) == expected


@pytest.mark.parametrize(
    ("mode", "user", "readable"),
    [
        (0o400, (os.geteuid(), 1), True),
        (0o077, (os.geteuid(), os.getegid()), False),
        (0o040, (65534, os.getegid()), True),
        (0o404, (65534, os.getegid()), False),
    ],
)
def test_owner_and_group_bits_take_precedence(root, mode, user, readable):
    path = root / "llama/m.gguf"
    path.chmod(mode)
    os.chown(path, os.geteuid(), os.getegid())
    assert (unreadable([path], [root], user) is None) == readable


def test_symlinks_are_followed(root):
    link = root / "link.gguf"
    link.symlink_to(root / "llama/m.gguf")
    (root / "llama").chmod(0o700)
    assert unreadable([link], [root], OTHER) == root / "llama"
