"""The disk of the database is full: a small file system of its own, filled up."""

import contextlib
import os
import shutil
import subprocess
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest

from tests.environment import PRIVATE_NETWORK
from tests.faults.installation import migrated_database
from tests.llmplatform.servers.site import PORTS, Site

SIZE_MIB = 12


class FullDisk(Site):
    @property
    def disk(self):
        return self.data_dir / "disk"

    def mount(self):
        self.disk.mkdir()
        option = f"size={SIZE_MIB}m"
        mounting = ["mount", "-t", "tmpfs", "-o", option, "none", self.disk]
        subprocess.run(mounting, check=True)
        shutil.copy(migrated_database(), self.disk / "db.sqlite3")
        self.env["DATABASE_URL"] = f"sqlite:///{self.disk}/db.sqlite3"

    def fill(self):
        file = os.open(self.disk / "filler", os.O_CREAT | os.O_WRONLY)
        for size in (2**20, 4096):
            with contextlib.suppress(OSError):
                while os.write(file, b"x" * size):
                    pass
        os.close(file)

    def close(self):
        self.end_processes()
        subprocess.run(["umount", self.disk], check=True)
        super().close()


@pytest.fixture(scope="module", params=["tmpfs"] if PRIVATE_NETWORK else [])
def site():
    """Mounting needs a mount namespace of the tests' own."""
    with FullDisk() as site:
        site.mount()
        site.serve()
        site.add("smol")
        site.credential = site.token()
        site.forms = {port: site.get(port, "/admin/login/") for port in PORTS}
        site.fill()
        yield site


@pytest.mark.parametrize("port", PORTS)
def test_api_names_the_disk(site, port):
    content = b'{"priority": 7}'
    head = [
        "PATCH /api/models/smol HTTP/1.1\r\nHost: 127.0.0.1",
        f"Authorization: Bearer {site.credential}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    request = "\r\n".join([*head, "", ""]).encode() + content

    def refused():
        """What the file of the database has room for is still written."""
        response = site.send(port, request)
        return response if response.status != 200 else None

    response = site.until(refused)
    assert (response.status, response.json["code"]) == (503, "disk_full")
    assert str(site.disk) in response.json["message"]
    assert f"the disk of {site.disk} is full" in site.log(port)


@pytest.mark.parametrize("port", PORTS)
def test_sign_in_names_the_disk(site, port):
    cookies = SimpleCookie(site.forms[port].headers["set-cookie"])
    [(name, csrf)] = [(k, c.value) for k, c in cookies.items() if "csrf" in k]
    fields = {"username": "root", "password": "x", "csrfmiddlewaretoken": csrf}
    content = urlencode(fields).encode()
    head = [
        "POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html",
        f"Cookie: {name}={csrf}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(content)}",
    ]
    response = site.send(port, "\r\n".join([*head, "", ""]).encode() + content)
    assert response.status == 503
    assert str(site.disk) in response.body.decode()
