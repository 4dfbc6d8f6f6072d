"""Downloads as rows of the database."""

from runtimes.downloads.asking import ask
from runtimes.downloads.wanted import Wanted
from runtimes.models import Download


def asked(actor=None, **words) -> Download:
    return ask(Wanted(**{"hub": "huggingface", "repo": "own/tiny", **words}), actor)


def changed(download, **fields) -> Download:
    Download.objects.filter(pk=download.pk).update(**fields)
    download.refresh_from_db()
    return download
