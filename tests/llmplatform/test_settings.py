"""Settings as they follow from the environment, in a process of their own."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.contrib import messages
from django.test import Client, RequestFactory

from tests.builders import a_user
from tests.conftest import TESTS

COOKIES = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME")
HSTS = (
    "SECURE_HSTS_SECONDS",
    "SECURE_HSTS_INCLUDE_SUBDOMAINS",
    "SECURE_HSTS_PRELOAD",
)
PRINT = """
import json, sys
from llmplatform import settings
print(json.dumps([getattr(settings, name) for name in sys.argv[1:]]))
"""


def settings_of(data_dir, *names, **env):
    printed = subprocess.run(
        [sys.executable, "-c", PRINT, *names],
        cwd=TESTS.parent,
        env={"PATH": os.defpath, "DATA_DIR": str(data_dir), **env},
        capture_output=True,
        check=True,
    ).stdout
    return json.loads(printed)


def test_each_installation_has_its_own_cookies(tmp_path):
    one = settings_of(tmp_path / "one", *COOKIES)
    two = settings_of(tmp_path / "two", *COOKIES)
    assert len({*one, *two}) == 6
    assert settings_of(tmp_path / "one", *COOKIES) == one


@pytest.mark.django_db
def test_every_cookie_has_a_name_of_this_installation():
    client = Client()
    a_user("operator", is_staff=True)
    client.get("/admin/login/")
    client.post("/admin/login/", {"username": "operator", "password": "pw"})
    client.post("/i18n/setlang/", {"language": "zh-hans"})
    assert set(client.cookies) == {getattr(settings, name) for name in COOKIES}


def test_messages_set_no_cookie():
    request = RequestFactory().get("/")
    request.session = {}
    storage = messages.storage.default_storage(request)
    assert not isinstance(storage, messages.storage.cookie.CookieStorage)
    assert not hasattr(storage, "storages")  # a fallback to cookies


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, [0, False, False]),
        ({"HTTPS": "1"}, [86_400, False, False]),
        ({"HTTPS": "1", "HSTS_SECONDS": "0"}, [0, False, False]),
        (
            {
                "HTTPS": "1",
                "HSTS_SECONDS": "31536000",
                "HSTS_INCLUDE_SUBDOMAINS": "1",
                "HSTS_PRELOAD": "1",
            },
            [31_536_000, True, True],
        ),
    ],
)
def test_hsts_covers_no_more_than_was_set(tmp_path, env, expected):
    assert settings_of(tmp_path, *HSTS, **env) == expected
