"""Hugging Face and ModelScope as a small server on loopback: the requests of their
libraries, with byte ranges, and with faults on demand."""

import hashlib
import json
import re
import struct
import threading
import time
import zlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c" * 40
CHUNK = 64 * 1024
LFS = 1024  # bytes from which a file is kept in LFS


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_sha1(data: bytes) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % len(data) + data)
    return digest.hexdigest()


class Hub:
    """repos: content by path, by name of the repository. requests: (method, path,
    first byte requested) of each request for a file's content. Faults: cuts: after how
    many bytes the answers for a path end, one each; spoilt: paths whose content is not
    what the listing says; statuses: by how a path of the API begins; pause_s: after
    each chunk; lies: of each entry of a listing; endless: a page of a listing names
    itself as the next; longer: bytes sent after the content of a path; redirects: URLs
    that the content of a path is said to be at; bomb: MiB of spaces in a compressed
    listing."""

    def __init__(self, repos):
        self.repos = repos
        self.requests = []
        self.sent = Counter()
        self.tokens = set()
        self.cuts = {}
        self.spoilt = set()
        self.statuses = {}
        self.error_code = ""
        self.token = ""
        self.pause_s = 0.0
        self.lies = {}
        self.endless = False
        self.longer = {}
        self.redirects = {}
        self.bomb = 0
        self.server = Server(("127.0.0.1", 0), Answer)
        self.server.hub = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=[0.02], daemon=True
        )

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def firsts(self, path):
        """Which byte each request for the path began with."""
        return [
            first for method, requested, first in self.requests if requested == path
        ]


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that was killed is no news."""


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.route()

    def do_GET(self):
        self.route()

    def route(self):
        if token := self.headers.get("Authorization"):
            self.hub.tokens.add(token)
        path = unquote(urlsplit(self.path).path)
        for begin, status in self.hub.statuses.items():
            if path.startswith(begin):
                return self.refuse(status, self.hub.error_code)
        if self.hub.token and not self.authorized():
            return self.refuse(401, "GatedRepo")
        for pattern, method in ROUTES:
            if match := re.fullmatch(pattern, path):
                return method(self, *match.groups())
        return self.refuse(404, "RepoNotFound")

    def authorized(self):
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def files(self, repo):
        if repo not in self.hub.repos:
            self.refuse(404, "RepoNotFound")
            return None
        return self.hub.repos[repo]

    # Hugging Face

    def model(self, repo, revision="main"):
        if self.files(repo) is None:
            return
        if revision not in ("main", COMMIT):
            self.refuse(404, "RevisionNotFound")
            return
        self.respond({"id": repo, "sha": COMMIT, "siblings": [], "tags": []})

    def tree(self, repo, revision):
        if (files := self.files(repo)) is None:
            return
        entries = [{**entry(p, data), **self.hub.lies} for p, data in files.items()]
        again = f'<{self.hub.url}{self.path}>; rel="next"'
        self.respond(entries, link=again if self.hub.endless else "")

    def resolve(self, repo, revision, path):
        if (files := self.files(repo)) is None:
            return
        data = files[path]
        headers = {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{git_sha1(data)}"',
            "X-Linked-Size": str(len(data)),
            "X-Linked-Etag": f'"{sha256(data)}"',
        }
        self.content(path, data, headers)

    # ModelScope

    def scope_files(self, repo):
        if (files := self.files(repo)) is None:
            return
        query = parse_qs(urlsplit(self.path).query)
        if query.get("Revision", ["master"])[0] != "master":
            self.refuse(404, "")
            return
        found = [
            {"Path": p, "Name": p, "Size": len(d), "Sha256": sha256(d), "Type": "blob"}
            for p, d in files.items()
        ]
        folders = {p.rpartition("/")[0] for p in files} - {""}
        found += [{"Path": folder, "Type": "tree", "Size": 0} for folder in folders]
        found = [{**file, **self.hub.lies} for file in found]
        self.respond({"Code": 200, "Data": {"Files": found}})

    def scope_repo(self, repo):
        if self.files(repo) is not None:
            owner, name = repo.split("/")
            data = {"id": repo, "owner": owner, "name": name}
            self.respond({"success": True, "data": data, "Code": 200, "Data": data})

    def scope_file(self, repo):
        if (files := self.files(repo)) is None:
            return
        [path] = parse_qs(urlsplit(self.path).query)["FilePath"]
        self.content(path, files[path], {})

    # both

    def content(self, path, data, headers):
        if location := self.hub.redirects.get(path):
            self.send_response(302)
            for name, value in {**headers, "Location": location}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        byte_range = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(byte_range[1]) if byte_range else 0
        if path in self.hub.spoilt:
            data = bytes(len(data))
        rest = data[first:]
        self.send_response(206 if byte_range else 200)
        if byte_range:
            last = len(data) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        for name, value in headers.items():
            self.send_header(name, value)
        if longer := self.hub.longer.get(path):
            rest += bytes(longer)
            self.close_connection = True
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if self.command == "GET":
            self.hub.requests.append((self.command, path, first))
            self.send(path, rest)

    def send(self, path, rest):
        cuts = self.hub.cuts.get(path, [])
        most = cuts.pop(0) if cuts else len(rest)
        for at in range(0, min(most, len(rest)), CHUNK):
            piece = rest[at : min(at + CHUNK, most)]
            try:
                self.wfile.write(piece)
            except OSError:
                break
            self.hub.sent[path] += len(piece)
            time.sleep(self.hub.pause_s)
        if most < len(rest):
            self.close_connection = True

    def respond(self, body, status=200, code="", link=""):
        text = json.dumps(body).encode()
        self.send_response(status)
        if self.hub.bomb and status == 200:
            text = compressed(text, self.hub.bomb)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if code:
            self.send_header("X-Error-Code", code)
        if link:
            self.send_header("Link", link)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text)

    def refuse(self, status, code):
        self.respond({"error": code, "Code": status, "Message": "no"}, status, code)


def compressed(text, mib):
    """As gzip, after so many MiB of spaces, of which only the first is compressed."""
    spaces = b" " * 2**20
    packer = zlib.compressobj(wbits=-15)
    piece = packer.compress(spaces) + packer.flush(zlib.Z_FULL_FLUSH)
    crc = 0
    for _ in range(mib):
        crc = zlib.crc32(spaces, crc)
    size = mib * len(spaces) + len(text)
    trailer = struct.pack("<II", zlib.crc32(text, crc), size % 2**32)
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    last = zlib.compressobj(wbits=-15)
    return header + piece * mib + last.compress(text) + last.flush() + trailer


def entry(path, data):
    entries = {"type": "file", "path": path, "size": len(data), "oid": git_sha1(data)}
    if len(data) >= LFS:
        entries["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 130}
    return entries


REPO = "([^/]+/[^/]+)"
ROUTES = [
    (f"/api/models/{REPO}", Answer.model),
    (f"/api/models/{REPO}/revision/([^/]+)", Answer.model),
    (f"/api/models/{REPO}/tree/([^/]+)", Answer.tree),
    (f"/{REPO}/resolve/([^/]+)/(.+)", Answer.resolve),
    (f"/api/v1/models/{REPO}/repo/files", Answer.scope_files),
    (f"/api/v1/models/{REPO}/repo", Answer.scope_file),
    (f"/api/v1/models/{REPO}", Answer.scope_repo),
    (f"/openapi/v1/models/{REPO}", Answer.scope_repo),
]
