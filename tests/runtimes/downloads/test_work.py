import os
from datetime import timedelta

import pytest
from django.utils import timezone

from models_app.models import Activity
from runtimes.downloads import asking, tidying, work
from runtimes.downloads.hubs import folder
from runtimes.models import Download
from tests.runtimes.downloads.fetching import files_in
from tests.runtimes.downloads.rows import asked, changed

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(hours=1)


def worked(download) -> Download:
    work.work()
    download.refresh_from_db()
    return download


def part_of(download):
    return folder.part_of(download.path.parent, download.folder, download.uid)


def ago(span):
    return timezone.now() - span


@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_download_is_carried_through(root, hub, kind):
    download = worked(asked(hub=kind))
    wanted = hub.repos["own/tiny"]
    size = sum(map(len, wanted.values()))
    assert (download.state, download.code) == ("done", "")
    assert (download.bytes_total, download.bytes_done) == (size, size)
    assert (download.files_total, download.progress) == (5, 1.0)
    assert download.finished_at
    assert files_in(root / "tiny") == wanted
    assert [path.name for path in root.iterdir()] == ["tiny"]
    told = Activity.objects.latest("pk")
    assert (told.code, told.params["repo"]) == ("download_done", "own/tiny")


def test_failure_is_told(root):
    download = worked(asked(repo="own/not"))
    assert (download.state, download.code) == ("failed", "repo_not_found")
    assert "own/not" in download.reason["message"]
    told = Activity.objects.latest("pk")
    assert told.code == "download_failed"
    assert download.reason["message"] in told.message


def test_each_takes_the_oldest(root):
    first, second = asked(folder="a"), asked(folder="b")
    assert work.take() == first
    assert work.take() is None
    assert not work.is_due()
    changed(first, state="done")
    assert work.is_due()
    assert work.take() == second


def test_folder_of_a_killed_worker_is_gone_on_with(root, hub):
    """Taken, begun, and nobody shows a sign of life any more."""
    download = asked(files="*.gguf")
    assert work.take() == download
    part = part_of(download)
    (part / "parts").mkdir(parents=True)
    path = "parts/tiny-Q4_K_M.gguf"
    (part / path).write_bytes(hub.repos["own/tiny"][path][: 2**20])
    assert work.take() is None
    changed(download, beat_at=ago(LONG_AGO))
    assert work.is_due()
    assert worked(download).state == "done"
    assert hub.firsts(path) == [2**20]


def test_branch_that_moved_changes_nothing(root, hub):
    download = changed(asked(revision="gone"), commit="c" * 40)
    assert worked(download).state == "done"


def test_passing_failure_is_tried_again_later(root, hub):
    hub.statuses = {"/own/tiny/resolve": 503}
    download = worked(asked())
    assert (download.state, download.code) == ("queued", "hub_error")
    assert download.retry_at > timezone.now() + timedelta(seconds=5)
    assert not work.is_due()
    hub.statuses = {}
    changed(download, retry_at=ago(timedelta(seconds=1)))
    download = worked(download)
    assert (download.state, download.code) == ("done", "")


def test_hub_that_never_answered_is_told_at_once(root, settings):
    settings.HUBS = dict.fromkeys(settings.HUBS, ("http://127.0.0.1:9", ""))
    download = worked(asked())
    assert (download.state, download.code) == ("failed", "hub_unreachable")
    assert "127.0.0.1:9" in download.reason["message"]


def test_it_gives_up_where_nothing_comes(root, hub):
    hub.statuses = {"/own/tiny/resolve": 503}
    download = changed(asked(), idle_attempts=work.MAX_IDLE_ATTEMPTS - 1, bytes_total=9)
    assert worked(download).state == "failed"
    begun = {"state": "running", "claim": "x", "beat_at": ago(LONG_AGO)}
    download = changed(download, **begun, idle_attempts=work.MAX_IDLE_ATTEMPTS)
    download = worked(download)
    assert (download.state, download.code) == ("failed", "download_interrupted")


def test_any_progress_counts_as_a_new_beginning(root):
    idle = work.MAX_IDLE_ATTEMPTS - 1
    assert worked(changed(asked(), idle_attempts=idle)).idle_attempts == 0


def test_folder_that_another_process_holds(root):
    download = asked()
    held = folder.hold(part_of(download))
    download = worked(download)
    assert (download.state, download.code) == ("queued", "download_is_held")
    os.close(held)


def test_too_little_room_is_told(root, settings):
    settings.DOWNLOAD_RESERVE_MIB = 2**40
    download = worked(asked())
    assert (download.state, download.code) == ("failed", "disk_too_small")
    assert str(root) in download.reason["message"]


def test_taken_once_by_two_that_saw_the_same(root):
    download = asked()
    same = Download.objects.get()
    assert [work._take(download), work._take(same)] == [True, False]


def test_what_was_removed_leaves_nothing(root):
    """While its process was at it: that clears up when it sees so."""
    download = asked()
    taken = work.take()
    part = part_of(download)
    part.mkdir()
    Download.objects.all().delete()
    work._carry(taken)
    assert list(root.iterdir()) == []


def test_cancelled_one_is_left_alone(root):
    download = asked()
    taken = work.take()
    changed(download, state="cancelled")
    work._carry(taken)
    download.refresh_from_db()
    assert download.state == "cancelled"
    assert not download.path.exists()


def test_leftovers_are_cleared_away(root):
    old, new, late = (asked(folder=name) for name in ("old", "new", "late"))
    long_ago = ago(timedelta(days=31))
    changed(old, state="failed", created_at=long_ago, finished_at=long_ago)
    asking.cancel(changed(late, created_at=long_ago))
    for download in (old, new, late):
        part_of(download).mkdir()
    held = folder.part_of(root, "held", "b" * 32)
    hold = folder.hold(held)
    (root / "mine").mkdir()
    for path in root.iterdir():
        os.utime(path, (0, 0))
    another = folder.part_of(root, "another", "c" * 32)  # of another installation
    another.mkdir()
    tidying.tidy()
    left = {path.name for path in root.iterdir()}
    kept = {part_of(new).name, part_of(late).name}
    assert left == {*kept, held.name, another.name, "mine"}
    os.close(hold)
    tidying.tidy()
    assert not held.exists()
