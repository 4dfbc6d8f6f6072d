import os
import resource
import stat
import time
from pathlib import Path

import pytest

from runtimes.downloads.hubs import folder
from runtimes.downloads.hubs.child import Child
from tests.runtimes.downloads.fake_hubs import Hub
from tests.runtimes.downloads.fetching import (
    SOURCE,
    UID,
    a_spec,
    ended,
    fetched,
    files_in,
)

HUBS = ["huggingface", "modelscope"]
MIB = 2**20
Q4 = "parts/tiny-Q4_K_M.gguf"
DONE = ("done", "")


@pytest.fixture(params=HUBS)
def kind(request):
    return request.param


def failed(code):
    return ("failed", code)


def test_complete_repository_is_fetched(hub, tmp_path, kind):
    events = fetched(hub, tmp_path, hub=kind)
    wanted = hub.repos["own/tiny"]
    assert files_in(tmp_path) == {f"tiny/{path}": data for path, data in wanted.items()}
    size = sum(map(len, wanted.values()))
    assert (events[0]["event"], events[0]["bytes"], events[0]["files"]) == (
        "listed",
        size,
        5,
    )
    assert [e["bytes"] for e in events if e["event"] in ("fetching", "verifying")][
        -1
    ] == size
    assert events[-1] == {"event": "done"}


def test_only_files_that_match_are_fetched(hub, tmp_path, kind):
    patterns = ["*Q4_K_M*.gguf", "*.json"]
    assert ended(hub, tmp_path, hub=kind, patterns=patterns) == DONE
    assert set(files_in(tmp_path / "tiny")) == {Q4, "config.json"}
    assert hub.firsts("tiny-Q8_0.gguf") == []


def test_others_may_read_what_is_fetched(hub, tmp_path, kind):
    """Engines in containers run as another user."""
    assert ended(hub, tmp_path, hub=kind) == DONE
    for path in [tmp_path / "tiny", *(tmp_path / "tiny").rglob("*")]:
        wanted = 0o755 if path.is_dir() else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_cut_connection_is_resumed(hub, tmp_path, kind):
    hub.cuts = {Q4: [2 * MIB]}
    assert ended(hub, tmp_path, hub=kind, patterns=[Q4]) == DONE
    assert hub.firsts(Q4) == [0, 2 * MIB]
    assert hub.sent[Q4] == len(hub.repos["own/tiny"][Q4])


def test_killed_fetcher_is_resumed(hub, tmp_path, kind):
    """Only the rest is fetched again, in another process."""
    hub.pause_s = 0.05
    spec = a_spec(hub, tmp_path, hub=kind, patterns=["*.gguf"])
    with Child(spec, SOURCE, os.environ) as child:
        for event in child.events(0.05):
            if folder.bytes_in(spec.part) > 3 * MIB:
                break
            assert event is None or event["event"] != "failed", event
    assert not (tmp_path / "tiny").exists()
    hub.pause_s = 0
    assert ended(hub, tmp_path, hub=kind, patterns=["*.gguf"]) == DONE
    for path in (Q4, "tiny-Q8_0.gguf"):
        first, second = hub.firsts(path)
        assert first == 0
        assert second >= MIB
        assert (tmp_path / "tiny" / path).read_bytes() == hub.repos["own/tiny"][path]


def test_fetcher_killed_after_the_rename_is_done(hub, tmp_path, kind):
    events = fetched(hub, tmp_path, hub=kind)
    hub.requests.clear()
    assert ended(hub, tmp_path, hub=kind, inode=events[0]["inode"]) == DONE
    assert hub.requests == []


def test_wrong_content_fails(hub, tmp_path, kind):
    hub.spoilt = {Q4}
    assert ended(hub, tmp_path, hub=kind) == failed("checksum_mismatch")
    assert not (tmp_path / "tiny").exists()
    assert hub.firsts(Q4) == [0, 0]
    assert hub.firsts("tiny-Q8_0.gguf") == [0]
    hub.spoilt.clear()
    assert ended(hub, tmp_path, hub=kind) == DONE
    assert hub.firsts("tiny-Q8_0.gguf") == [0]


def test_wrong_small_file_fails(hub, tmp_path):
    """Outside LFS, the hub reports Git's checksum."""
    hub.spoilt = {"config.json"}
    assert ended(hub, tmp_path) == failed("checksum_mismatch")


ANSWERS = [
    (401, "", "repo_not_found", "token_refused"),
    (401, "GatedRepo", "repo_gated", "token_refused"),
    (403, "GatedRepo", "repo_gated", "repo_gated"),
    (404, "RepoNotFound", "repo_not_found", "repo_not_found"),
    (418, "", "hub_error", "hub_error"),
]


@pytest.mark.parametrize(("status", "code", "face", "scope"), ANSWERS)
def test_refused_request_fails_with_its_code(
    hub, tmp_path, kind, status, code, face, scope
):
    hub.statuses = {"/": status}
    hub.error_code = code
    expected = face if kind == "huggingface" else scope
    assert ended(hub, tmp_path, hub=kind) == failed(expected)
    assert files_in(tmp_path) == {}


def test_unknown_repository_and_revision(hub, tmp_path, kind):
    assert ended(hub, tmp_path, hub=kind, repo="own/not") == failed("repo_not_found")
    unknown = ended(hub, tmp_path, hub=kind, revision="v9")
    assert unknown == failed("revision_not_found")


FAULTS = [(500, "hub_error"), (429, "hub_error")]


@pytest.mark.parametrize(("status", "code"), FAULTS)
def test_server_error_of_the_hub_is_transient(hub, tmp_path, status, code):
    hub.statuses = {"/own/tiny/resolve": status}
    last = fetched(hub, tmp_path)[-1]
    assert (last["code"], last["passing"]) == (code, True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_unreachable_hub_is_transient(hub, tmp_path, url):
    last = fetched(hub, tmp_path, endpoint=url)[-1]
    assert (last["code"], last["passing"]) == ("hub_unreachable", True)


def test_other_server_is_no_hub(hub, tmp_path):
    hub.repos = {}
    hub.statuses = {"/api": 200}
    assert ended(hub, tmp_path) == failed("not_a_hub")


LIES = [
    *({"size": size, "lfs": None} for size in (None, -1, "9", 2**64)),
    *({"path": path} for path in (7, None)),
]


@pytest.mark.parametrize("lies", LIES)
def test_invalid_response_of_a_hub_fails(hub, tmp_path, lies):
    hub.lies = lies
    assert ended(hub, tmp_path) == failed("not_a_hub")


@pytest.mark.parametrize("size", [-1, 2**64])
def test_invalid_response_of_modelscope_fails(hub, tmp_path, size):
    hub.lies = {"Size": size}
    assert ended(hub, tmp_path, hub="modelscope") == failed("not_a_hub")


def test_listing_without_an_end_is_given_up(hub, tmp_path):
    hub.repos["own/tiny"] |= {f"{number}.json": b"{}" for number in range(5000)}
    hub.endless = True
    assert ended(hub, tmp_path) == failed("too_many_files")


def test_file_larger_than_listed_is_cut_off(hub, tmp_path, kind):
    hub.longer = {"config.json": 64 * MIB}
    last = fetched(hub, tmp_path, hub=kind, patterns=["config.json"])[-1]
    assert last["code"] == "file_size_differs"
    assert last["params"] == {"path": "config.json", "size": 2}
    assert not (tmp_path / "tiny").exists()
    assert sum(map(len, files_in(a_spec(hub, tmp_path).part).values())) < 2 * MIB


def test_file_larger_than_its_empty_listing_is_cut_off(hub, tmp_path, kind):
    hub.longer = {"empty.txt": 64 * MIB}
    last = fetched(hub, tmp_path, hub=kind, patterns=["empty.txt"])[-1]
    assert last["event"] == "done" or last["code"] == "file_size_differs"
    assert hub.sent["empty.txt"] < 32 * MIB


def test_compressed_listing_is_bounded(hub, tmp_path, kind):
    hub.bomb = 1024
    assert ended(hub, tmp_path, hub=kind) == failed("hub_response_too_large")


def test_compressed_listing_of_usual_size_is_read(hub, tmp_path, kind):
    hub.bomb = 1
    assert ended(hub, tmp_path, hub=kind) == DONE


INSIDE = [
    ("http://127.0.0.1:{port}/x", "127.0.0.1:{port}"),
    ("http://localhost:{port}/x", "127.0.0.1:{port}"),
    ("http://[::1]:{port}/x", "[::1]:{port}"),
    ("http://[::ffff:127.0.0.1]:{port}/x", "127.0.0.1:{port}"),
    ("http://169.254.169.254/latest", "169.254.169.254:80"),
    ("http://10.0.0.1/x", "10.0.0.1:80"),
    ("http://0.0.0.0:{port}/x", "0.0.0.0:{port}"),
]


@pytest.mark.parametrize(("location", "address"), INSIDE)
def test_redirect_inside_is_refused(hub, tmp_path, kind, location, address):
    with Hub({}) as inside:
        port = inside.server.server_port
        hub.redirects = {Q4: location.format(port=port)}
        last = fetched(hub, tmp_path, hub=kind, patterns=[Q4])[-1]
        assert (last["event"], last.get("code")) == failed("address_refused")
        shown = last["params"]["address"]
        assert shown in (address.format(port=port), f"[::1]:{port}")


def test_redirect_within_the_hub_is_followed(hub, tmp_path, kind):
    hub.repos["own/other"] = {"README.md": hub.repos["own/tiny"][Q4]}
    path = {"huggingface": "own/other/resolve/main/README.md"}.get(
        kind, "api/v1/models/own/other/repo?FilePath=README.md"
    )
    hub.redirects = {Q4: f"{hub.url}/{path}"}
    assert ended(hub, tmp_path, hub=kind, patterns=[Q4]) == DONE


def test_redirect_into_an_admitted_network_is_followed(hub, tmp_path, kind):
    with Hub({"own/tiny": hub.repos["own/tiny"]}) as inside:
        path = {"huggingface": f"own/tiny/resolve/main/{Q4}"}.get(
            kind, f"api/v1/models/own/tiny/repo?FilePath={Q4}"
        )
        hub.redirects = {Q4: f"{inside.url}/{path}"}
        networks = ["127.0.0.0/8"]
        fields = {"hub": kind, "patterns": [Q4], "networks": networks}
        assert ended(hub, tmp_path, **fields) == DONE
        assert inside.firsts(Q4) == [0]


def test_token_goes_to_the_hub(hub, tmp_path, kind):
    hub.token = "hf_secret"
    assert ended(hub, tmp_path, hub=kind, token="hf_secret") == DONE
    assert hub.tokens == {"Bearer hf_secret"}


def test_pattern_that_matches_nothing(hub, tmp_path, kind):
    last = fetched(hub, tmp_path, hub=kind, patterns=["*Q2*"])[-1]
    assert last["code"] == "no_such_files"
    assert last["params"]["there"][:2] == ["README.md", "config.json"]


def test_only_valid_names_are_reported(hub, tmp_path):
    hub.repos["own/tiny"] = {"a\0b": b"", "half\ud800": b"", "fine": b""}
    last = fetched(hub, tmp_path, patterns=["*Q2*"])[-1]
    assert last["params"]["there"] == ["fine"]


BAD_NAMES = [
    "../up",
    "/etc/x",
    "a/../../b",
    "a\\b",
    "x" * 300,
    ".llmplatform/x",
    "\ud800",
]


@pytest.mark.parametrize("path", BAD_NAMES)
def test_names_that_lead_elsewhere(hub, tmp_path, kind, path):
    root = tmp_path / "root"
    root.mkdir()
    hub.repos["own/tiny"][path] = b"bad"
    assert ended(hub, root, hub=kind) == failed("unsafe_file_name")
    assert files_in(tmp_path) == {}


def test_too_little_room(hub, tmp_path, kind):
    last = fetched(hub, tmp_path, hub=kind, reserve=2**60)[-1]
    assert last["code"] == "disk_too_small"
    assert last["params"]["needed"] == 7
    assert hub.requests == []


@pytest.mark.parametrize("make", ["mkdir", "touch", "dangling"])
def test_folder_that_is_there_is_left_alone(hub, tmp_path, make):
    target = tmp_path / "tiny"
    target.symlink_to("nowhere") if make == "dangling" else getattr(target, make)()
    assert ended(hub, tmp_path) == failed("folder_exists")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_folder_made_meanwhile_is_left_alone(hub, tmp_path):
    hub.pause_s = 0.01
    with Child(a_spec(hub, tmp_path), SOURCE, os.environ) as child:
        for event in child.events(5):
            if event["event"] == "listed":
                (tmp_path / "tiny").mkdir()
            last = event
    assert (last["event"], last["code"]) == ("failed", "folder_exists")
    assert list((tmp_path / "tiny").iterdir()) == []


def test_folder_is_locked_by_one_process(hub, tmp_path):
    spec = a_spec(hub, tmp_path)
    held = folder.hold(spec.part)
    assert ended(hub, tmp_path) == failed("download_is_held")
    os.close(held)
    assert ended(hub, tmp_path) == DONE


def test_fetcher_exits_with_its_parent(hub, tmp_path):
    """The pid belongs to another process, or to none."""
    with Child(a_spec(hub, tmp_path, parent=1), SOURCE, os.environ) as child:
        assert list(child.events(5)) == []
        assert child.process.wait(30) == 1
    assert folder.parts_in(tmp_path) == {}


def test_secret_is_in_neither_arguments_nor_variables(hub, tmp_path):
    hub.pause_s = 0.05
    environment = {**os.environ, "HF_TOKEN": "hf_secret"}
    spec = a_spec(hub, tmp_path, token="hf_secret")
    with Child(spec, SOURCE, environment) as child:
        time.sleep(0.3)
        process = Path("/proc", str(child.process.pid))
        for name in ("cmdline", "environ"):
            assert b"hf_secret" not in (process / name).read_bytes()


def test_hidden_folders_are_found_by_uid(tmp_path):
    part = folder.part_of(tmp_path, "tiny.v2", UID)
    part.mkdir()
    (tmp_path / ".tiny.part").mkdir()
    assert folder.parts_in(tmp_path) == {UID: part}
    assert folder.parts_in(tmp_path / "not") == {}


def test_unwritable_file_fails(hub, tmp_path, kind):
    with Child(a_spec(hub, tmp_path, hub=kind), SOURCE, os.environ) as child:
        most = (2 * MIB, 2 * MIB)
        resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE, most)
        last = [event for event in child.events(10) if event][-1]
    assert last["code"] == "files_unwritable"
    assert "File too large" in last["params"]["detail"]
