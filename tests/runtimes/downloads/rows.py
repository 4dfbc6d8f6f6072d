"""Downloads as rows of the database."""

from runtimes.downloads.request import DownloadRequest
from runtimes.downloads.submit import submit
from runtimes.models import Download


def submitted(actor=None, **fields) -> Download:
    fields = {"hub": "huggingface", "repo": "own/tiny", **fields}
    return submit(DownloadRequest(**fields), actor)


def changed(download, **fields) -> Download:
    Download.objects.filter(pk=download.pk).update(**fields)
    download.refresh_from_db()
    return download
