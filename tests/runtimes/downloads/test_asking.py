import pytest

from common.exceptions import Conflict, Invalid
from models_app.models import Activity
from runtimes.downloads import asking
from runtimes.downloads.hubs import folder
from runtimes.enums import DownloadState
from runtimes.models import Download
from tests.builders import a_user
from tests.runtimes.downloads.rows import asked, changed

pytestmark = pytest.mark.django_db


def refused(**words) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        asked(**words)
    assert str(caught.value)
    return [(problem.field, problem.code) for problem in caught.value.problems]


def test_download_is_asked_for(root):
    user = a_user("operator")
    download = asked(user, files="*.gguf, *.json\ntokenizer*", revision=" v1 ")
    assert (download.state, download.repo, download.revision) == (
        "queued",
        "own/tiny",
        "v1",
    )
    assert download.patterns == ["*.gguf", "*.json", "tokenizer*"]
    assert download.path == root / "tiny"
    told = Activity.objects.get()
    assert (told.code, told.actor) == ("download_asked", user)


REPOS = [
    ("huggingface", "https://huggingface.co/own/tiny/tree/main", "own/tiny"),
    ("modelscope", "https://modelscope.cn/models/own/tiny/files", "own/tiny"),
    ("huggingface", " gpt2 ", "gpt2"),
]


@pytest.mark.parametrize(("kind", "given", "repo"), REPOS)
def test_address_of_a_page_names_its_repository(root, kind, given, repo):
    assert asked(hub=kind, repo=given).repo == repo


BAD = [
    ({"repo": "a/b/c"}, "repo", "bad_repo"),
    ({"repo": "", "folder": "x"}, "repo", "bad_repo"),
    ({"repo": "../up", "folder": "x"}, "repo", "bad_repo"),
    ({"repo": "a b/c"}, "repo", "bad_repo"),
    ({"repo": "http://["}, "repo", "bad_repo"),
    ({"repo": "https://a]b/own/tiny"}, "repo", "bad_repo"),
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


@pytest.mark.parametrize(("words", "field", "code"), BAD)
def test_bad_words_are_refused(root, words, field, code):
    assert refused(**words)[0] == (field, code)


def test_folder_is_taken(root):
    (root / "here").mkdir()
    assert refused(folder="here") == [("folder", "folder_exists")]
    asked()
    assert refused() == [("folder", "download_exists")]
    assert asked(folder="tiny-2").path == root / "tiny-2"


def test_folder_that_can_be_written_to_is_chosen(settings, root):
    settings.MODEL_ROOTS = [root / "not", root]
    assert asked().root == str(root)
    assert refused(root=str(root / "not")) == [("root", "no_writable_root")]
    assert asking.writable_roots() == [root]


def test_too_many_wait(root):
    first = asked()
    for number in range(asking.MAX_OPEN - 1):
        asked(folder=f"n{number}")
    assert refused(folder="last") == [("repo", "too_many_downloads")]
    asking.cancel(first)
    asked(folder="last")


def test_cancelled_one_is_tried_again(root):
    download = asking.cancel(asked())
    assert download.state == "cancelled"
    download = asking.retry(changed(download, code="hub_error", idle_attempts=8))
    assert (download.state, download.code) == ("queued", "")
    assert download.idle_attempts == 0
    codes = [told.code for told in Activity.objects.order_by("pk")]
    assert codes == ["download_asked", "download_cancelled", "download_asked"]


def test_folder_of_another_is_not_written_to_again(root):
    download = asking.cancel(asked())
    asked()
    with pytest.raises(Invalid):
        asking.retry(download)
    download.refresh_from_db()
    assert download.state == "cancelled"


ALLOWED = {
    asking.cancel: DownloadState.OPEN,
    asking.retry: {DownloadState.FAILED, DownloadState.CANCELLED},
}


@pytest.mark.parametrize("verb", ALLOWED)
@pytest.mark.parametrize("state", DownloadState.values)
def test_verbs_by_state(root, verb, state):
    download = changed(asked(), state=state)
    if state in ALLOWED[verb]:
        assert verb(download).state != state
    else:
        with pytest.raises(Conflict) as caught:
            verb(download)
        assert "own/tiny" in str(caught.value)


def test_removal_takes_what_is_not_whole(root):
    download = asked()
    part = folder.part_of(root, download.folder, download.uid)
    part.mkdir()
    (root / "tiny").mkdir()
    by = a_user("operator")
    for _tab in range(2):
        asking.remove(download, by)
    assert [path.name for path in root.iterdir()] == ["tiny"]
    assert not Download.objects.exists()
    [removed] = Activity.objects.filter(code="download_removed")
    assert removed.actor == by
    assert str(root / "tiny") in removed.message
