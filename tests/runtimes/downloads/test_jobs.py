import os
from datetime import timedelta

import pytest
from django.utils import timezone

from common import clock, job_runner, jobs
from models_app.models import Activity
from runtimes.downloads.hubs import folder
from runtimes.downloads.jobs import Downloads
from runtimes.models import Download
from tests.runtimes.downloads.fetching import files_in
from tests.runtimes.downloads.rows import changed, submitted

pytestmark = pytest.mark.django_db
KIND = Downloads()
SILENT = {"heartbeat": 0}


def worked(download) -> Download:
    job_runner.work(KIND, beats=False)
    download.refresh_from_db()
    return download


def part_of(download):
    return folder.part_of(download.path.parent, download.folder, download.uid)


def ago(span):
    return timezone.now() - span


@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_download_is_carried_through(root, hub, kind):
    download = worked(submitted(hub=kind))
    wanted = hub.repos["own/tiny"]
    size = sum(map(len, wanted.values()))
    assert (download.state, download.code) == ("done", "")
    assert (download.total, download.done) == (size, size)
    assert (download.files_total, download.progress) == (5, 1.0)
    assert download.finished_at
    assert files_in(root / "tiny") == wanted
    assert [path.name for path in root.iterdir()] == ["tiny"]
    shown = Activity.objects.latest("pk")
    assert (shown.code, shown.params["repo"]) == ("download_done", "own/tiny")


def test_failure_is_reported_with_its_reason(root):
    download = worked(submitted(repo="own/not"))
    assert (download.state, download.code) == ("failed", "repo_not_found")
    assert "own/not" in download.reason["message"]
    shown = Activity.objects.latest("pk")
    assert shown.code == "download_failed"
    assert download.reason["message"] in shown.message


def test_each_takes_the_oldest(root):
    first, second = submitted(folder="a"), submitted(folder="b")
    assert job_runner.claim(KIND) == first
    assert job_runner.claim(KIND) is None
    assert not jobs.is_due()
    changed(first, state="done")
    assert jobs.is_due()
    assert job_runner.claim(KIND) == second


def test_folder_of_a_killed_worker_is_gone_on_with(root, hub):
    """Taken, begun, and nobody shows a sign of life any more."""
    download = submitted(files="*.gguf")
    assert job_runner.claim(KIND) == download
    part = part_of(download)
    (part / "parts").mkdir(parents=True)
    path = "parts/tiny-Q4_K_M.gguf"
    (part / path).write_bytes(hub.repos["own/tiny"][path][: 2**20])
    assert job_runner.claim(KIND) is None
    changed(download, **SILENT)
    assert jobs.is_due()
    assert worked(download).state == "done"
    assert hub.firsts(path) == [2**20]


def test_branch_that_moved_changes_nothing(root, hub):
    download = changed(submitted(revision="gone"), commit="c" * 40)
    assert worked(download).state == "done"


def test_passing_failure_is_tried_again_later(root, hub):
    hub.statuses = {"/own/tiny/resolve": 503}
    download = worked(submitted())
    assert (download.state, download.code) == ("queued", "hub_error")
    assert download.retry_at > timezone.now() + timedelta(seconds=5)
    assert not jobs.is_due()
    hub.statuses = {}
    changed(download, retry_uptime=clock.uptime() - 1)
    download = worked(download)
    assert (download.state, download.code) == ("done", "")


def test_hub_that_never_answered_fails_at_once(root, settings):
    settings.HUBS = dict.fromkeys(settings.HUBS, ("http://127.0.0.1:9", ""))
    download = worked(submitted())
    assert (download.state, download.code) == ("failed", "hub_unreachable")
    assert "127.0.0.1:9" in download.reason["message"]


def test_it_gives_up_where_nothing_comes(root, hub):
    hub.statuses = {"/own/tiny/resolve": 503}
    download = changed(submitted(), attempts=KIND.max_attempts - 1, total=9)
    assert worked(download).state == "failed"
    begun = {"state": "running", "claim": "x", **SILENT}
    download = changed(download, **begun, attempts=KIND.max_attempts)
    download = worked(download)
    assert (download.state, download.code) == ("failed", "download_interrupted")


def test_any_progress_counts_as_a_new_beginning(root):
    idle = KIND.max_attempts - 1
    assert worked(changed(submitted(), attempts=idle)).attempts == 0


def test_folder_that_another_process_holds(root):
    download = submitted()
    held = folder.hold(part_of(download))
    download = worked(download)
    assert (download.state, download.code) == ("queued", "download_is_held")
    os.close(held)


def test_too_little_room_fails(root, settings):
    settings.DOWNLOAD_RESERVE_MIB = 2**40
    download = worked(submitted())
    assert (download.state, download.code) == ("failed", "disk_too_small")
    assert str(root) in download.reason["message"]


def test_taken_once_by_two_that_saw_the_same(root):
    download = submitted()
    same = Download.objects.get()
    assert [job_runner.take(KIND, download), job_runner.take(KIND, same)] == [
        True,
        False,
    ]


def test_what_was_removed_leaves_nothing(root):
    """While its process was at it: that clears up when it sees so."""
    download = submitted()
    taken = job_runner.claim(KIND)
    part = part_of(download)
    part.mkdir()
    Download.objects.all().delete()
    job_runner.run(KIND, taken)
    assert list(root.iterdir()) == []


def test_cancelled_one_is_left_alone(root):
    download = submitted()
    taken = job_runner.claim(KIND)
    changed(download, state="cancelled")
    job_runner.run(KIND, taken)
    download.refresh_from_db()
    assert download.state == "cancelled"
    assert not download.path.exists()


def test_leftovers_are_cleared_away(root):
    old, new, late = (submitted(folder=name) for name in ("old", "new", "late"))
    long_ago = ago(timedelta(days=31))
    changed(old, state="failed", created_at=long_ago, finished_at=long_ago)
    jobs.cancel(changed(late, created_at=long_ago))
    for download in (old, new, late):
        part_of(download).mkdir()
    held = folder.part_of(root, "held", "b" * 32)
    hold = folder.hold(held)
    (root / "mine").mkdir()
    for path in root.iterdir():
        os.utime(path, (0, 0))
    another = folder.part_of(root, "another", "c" * 32)  # of another installation
    another.mkdir()
    jobs.cleanup()
    left = {path.name for path in root.iterdir()}
    kept = {part_of(new).name, part_of(late).name}
    assert left == {*kept, held.name, another.name, "mine"}
    os.close(hold)
    jobs.cleanup()
    assert not held.exists()
