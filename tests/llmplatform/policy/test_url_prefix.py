"""A whole installation below a path, as a proxy passes requests on: with the prefix, or
without it."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import pytest
import websockets

from tests.conftest import TESTS

PREFIX = "/llm"
PAGES = [
    "/admin/",
    "/admin/models_app/servedmodel/",
    "/admin/models_app/servedmodel/add/",
    "/admin/models_app/activity/",
    "/admin/monitoring/source/history/",
    "/docs",
]
LINK = re.compile(r'(?:href|src|action|data-[a-z-]+)="(/[^"]*)"')


class Site:
    def __init__(self, data_dir):
        self.data_dir = data_dir
        self.socket = str(data_dir / "s")
        self.manage("migrate", "--verbosity", "0")
        self.password = self.manage("create_admin").split()[-1]
        server = ["uvicorn", "--uds", self.socket, "llmplatform.asgi:application"]
        self.process = subprocess.Popen([sys.executable, "-m", *server], **self.options)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.socket):  # noqa: PTH110
            assert time.monotonic() < deadline
            time.sleep(0.1)

    @property
    def options(self):
        env = {"PATH": os.environ["PATH"], "HOME": "/", "DATA_DIR": str(self.data_dir)}
        return {"cwd": TESTS.parent, "env": {**env, "URL_PREFIX": PREFIX}}

    def manage(self, *args):
        command = [sys.executable, "manage.py", *args]
        return subprocess.check_output(command, text=True, **self.options)

    def close(self):
        self.process.terminate()
        self.process.wait(30)

    def client(self):
        return aiohttp.ClientSession(
            "http://localhost",
            connector=aiohttp.UnixConnector(self.socket),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        )


@pytest.fixture(scope="module")
def site():
    # Of pytest, a path is too long for Unix sockets.
    with tempfile.TemporaryDirectory() as data_dir:
        site = Site(Path(data_dir))
        yield site
        site.close()


async def text(client, path):
    async with client.get(path, allow_redirects=False) as response:
        assert response.status == 200, (path, response.status)
        return await response.text()


async def sign_in(client, site):
    page = await text(client, f"{PREFIX}/admin/login/")
    [token] = set(re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page))
    form = {"username": "admin", "password": site.password, "next": f"{PREFIX}/admin/"}
    fields = {**form, "csrfmiddlewaretoken": token}
    async with client.post(
        f"{PREFIX}/admin/login/", data=fields, allow_redirects=False
    ) as response:
        assert (response.status, response.headers["Location"]) == (302, form["next"])
        cookies = response.cookies
    assert {cookie["path"] for cookie in cookies.values()} == {f"{PREFIX}/"}
    return cookies


@pytest.mark.parametrize("prefix", [PREFIX, ""])
async def test_redirects_go_below_the_prefix(site, prefix):
    async with site.client() as client:
        for path in ("/", "/admin", "/admin/"):
            async with client.get(prefix + path, allow_redirects=False) as got:
                assert got.headers["Location"].startswith(f"{PREFIX}/admin/")


@pytest.mark.parametrize("prefix", [PREFIX, ""])
async def test_apis_and_static_files_are_served(site, prefix):
    async with site.client() as client:
        for path, status in (
            ("/api/models", 401),
            ("/v1/models", 401),
            ("/static/js/live.js", 200),
            ("/api/nothing", 404),
        ):
            async with client.get(prefix + path) as got:
                assert got.status == status, path
                await got.read()


async def test_every_link_of_every_page_is_below_the_prefix(site):
    async with site.client() as client:
        await sign_in(client, site)
        links = {}
        for page in PAGES:
            html = await text(client, PREFIX + page)
            links |= dict.fromkeys(LINK.findall(html), page)
        outside = {k: v for k, v in links.items() if not k.startswith(f"{PREFIX}/")}
        assert outside == {}
        assert len(links) > 30
        for asset in (link for link in links if "/static/" in link):
            async with client.get(asset) as response:
                assert response.status == 200, asset
                await response.read()


async def test_schema_names_the_prefix_as_its_server(site):
    async with site.client() as client:
        await sign_in(client, site)
        schema = await text(client, f"{PREFIX}/api/schema?format=json")
    assert json.loads(schema)["servers"] == [{"url": PREFIX}]
    assert "/api/models" in json.loads(schema)["paths"]


async def test_websocket_is_served_below_the_prefix(site):
    async with site.client() as client:
        cookies = await sign_in(client, site)
    cookie = "; ".join(f"{key}={morsel.value}" for key, morsel in cookies.items())
    headers = {"Cookie": cookie, "Origin": "http://localhost"}
    async with websockets.unix_connect(
        site.socket, f"ws://localhost{PREFIX}/ws/live", additional_headers=headers
    ) as socket:
        await socket.send('{"subscribe": ["host"]}')
        await socket.ping()
