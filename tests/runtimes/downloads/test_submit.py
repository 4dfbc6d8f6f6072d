import pytest

from common import jobs
from common.exceptions import AlreadyExists, Conflict, Invalid
from models_app.models import Activity
from runtimes.downloads.hubs import folder
from runtimes.downloads.submit import MAX_OPEN, writable_roots
from runtimes.enums import DownloadState
from runtimes.models import Download
from tests.builders import a_user
from tests.runtimes.downloads.rows import changed, submitted

pytestmark = pytest.mark.django_db


def refused(kind=Invalid, **fields) -> list[tuple[str, str]]:
    with pytest.raises(kind) as caught:
        submitted(**fields)
    assert str(caught.value)
    return [(problem.field, problem.code) for problem in caught.value.problems]


def test_download_is_submitted(root):
    user = a_user("operator")
    download = submitted(user, files="*.gguf, *.json\ntokenizer*", revision=" v1 ")
    assert (download.state, download.repo, download.revision) == (
        "queued",
        "own/tiny",
        "v1",
    )
    assert download.patterns == ["*.gguf", "*.json", "tokenizer*"]
    assert download.path == root / "tiny"
    shown = Activity.objects.get()
    assert (shown.code, shown.actor) == ("download_asked", user)


PUBLIC = {
    "huggingface": ("https://huggingface.co", ""),
    "modelscope": ("https://modelscope.cn", ""),
}
REPOS = [
    ("huggingface", "http://huggingface.co:80/own/tiny", "own/tiny"),
    ("modelscope", "https://www.modelscope.cn/models/own/tiny", "own/tiny"),
    ("huggingface", "https://huggingface.co/own/tiny/tree/main", "own/tiny"),
    ("modelscope", "https://modelscope.cn/models/own/tiny/files", "own/tiny"),
    ("huggingface", " gpt2 ", "gpt2"),
]


@pytest.mark.parametrize(("kind", "given", "repo"), REPOS)
def test_address_of_a_page_names_its_repository(root, settings, kind, given, repo):
    settings.HUBS = PUBLIC
    assert submitted(hub=kind, repo=given).repo == repo


ELSEWHERE = [
    ("huggingface", "http://127.0.0.1:6379/x"),
    ("huggingface", "https://huggingface.co:6379/own/tiny"),
    ("huggingface", "https://huggingface.co@127.0.0.1/own/tiny"),
    ("huggingface", "https://modelscope.cn/models/own/tiny"),
    ("huggingface", "file:///own/tiny"),
    ("huggingface", "https://huggingface.co:x/own/tiny"),
    ("modelscope", "https://huggingface.co/own/tiny"),
    ("huggingface", "http://["),
    ("huggingface", "https://a]b/own/tiny"),
]


@pytest.mark.parametrize(("kind", "given"), ELSEWHERE)
def test_address_of_another_site_is_refused(root, settings, kind, given):
    settings.HUBS = PUBLIC
    assert refused(hub=kind, repo=given) == [("repo", "repo_elsewhere")]
    assert not Download.objects.exists()


BAD = [
    ({"repo": "a/b/c"}, "repo", "bad_repo"),
    ({"repo": "", "folder": "x"}, "repo", "bad_repo"),
    ({"repo": "../up", "folder": "x"}, "repo", "bad_repo"),
    ({"repo": "a b/c"}, "repo", "bad_repo"),
    ({"repo": "127.0.0.1:6379/x"}, "repo", "bad_repo"),
    ({"hub": "modelscope", "repo": "gpt2"}, "repo", "bad_repo"),
    ({"revision": "a b"}, "revision", "bad_revision"),
    ({"revision": "../main"}, "revision", "bad_revision"),
    ({"folder": "../up"}, "folder", "bad_folder"),
    ({"folder": "/etc"}, "folder", "bad_folder"),
    ({"folder": ".hidden"}, "folder", "bad_folder"),
    ({"folder": "x" * 101}, "folder", "bad_folder"),
    ({"files": "x" * 201}, "files", "bad_pattern"),
    ({"files": ",".join("abc" * 20)}, "files", "too_many_patterns"),
    ({"root": "/etc"}, "root", "path_outside_roots"),
]


@pytest.mark.parametrize(("fields", "field", "code"), BAD)
def test_bad_requests_are_refused(root, fields, field, code):
    assert refused(**fields)[0] == (field, code)


def test_folder_is_taken(root):
    (root / "here").mkdir()
    assert refused(AlreadyExists, folder="here") == [("folder", "folder_exists")]
    submitted()
    assert refused(AlreadyExists) == [("folder", "download_exists")]
    assert submitted(folder="tiny-2").path == root / "tiny-2"


def test_folder_that_can_be_written_to_is_chosen(settings, root):
    settings.MODEL_ROOTS = [root / "not", root]
    assert submitted().root == str(root)
    assert refused(root=str(root / "not")) == [("root", "no_writable_root")]
    assert writable_roots() == [root]


def test_too_many_wait(root):
    first = submitted()
    for number in range(MAX_OPEN - 1):
        submitted(folder=f"n{number}")
    assert refused(folder="last") == [("repo", "too_many_downloads")]
    jobs.cancel(first)
    submitted(folder="last")


def test_cancelled_one_is_tried_again(root):
    download = jobs.cancel(submitted())
    assert download.state == "cancelled"
    download = jobs.retry(changed(download, code="hub_error", attempts=8))
    assert (download.state, download.code) == ("queued", "")
    assert download.attempts == 0
    codes = [shown.code for shown in Activity.objects.order_by("pk")]
    assert codes == ["download_asked", "download_cancelled", "download_asked"]


def test_folder_of_another_is_not_written_to_again(root):
    download = jobs.cancel(submitted())
    submitted()
    with pytest.raises(AlreadyExists):
        jobs.retry(download)
    download.refresh_from_db()
    assert download.state == "cancelled"


ALLOWED = {
    jobs.cancel: DownloadState.OPEN,
    jobs.retry: {DownloadState.FAILED, DownloadState.CANCELLED},
}


@pytest.mark.parametrize("verb", ALLOWED)
@pytest.mark.parametrize("state", DownloadState.values)
def test_verbs_by_state(root, verb, state):
    download = changed(submitted(), state=state)
    if state in ALLOWED[verb]:
        assert verb(download).state != state
    else:
        with pytest.raises(Conflict) as caught:
            verb(download)
        assert "own/tiny" in str(caught.value)


def test_removal_takes_what_is_not_whole(root):
    download = submitted()
    part = folder.part_of(root, download.folder, download.uid)
    part.mkdir()
    (root / "tiny").mkdir()
    by = a_user("operator")
    for _tab in range(2):
        jobs.remove(download, by)
    assert [path.name for path in root.iterdir()] == ["tiny"]
    assert not Download.objects.exists()
    [removed] = Activity.objects.filter(code="download_removed")
    assert removed.actor == by
    assert str(root / "tiny") in removed.message
