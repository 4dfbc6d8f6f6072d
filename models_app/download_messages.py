"""Words for what is said of downloads; part of the table in messages.py."""

from django.utils.translation import gettext_lazy as _

DOWNLOADS = {
    # what is wrong with what was asked for
    "bad_repo": _(
        "%(value)s is not the name of a repository. Needed: owner/name, as at the hub."
    ),
    "bad_revision": _("%(value)s is not a branch, tag or commit."),
    "bad_folder": _(
        "%(value)s is not a name for a folder: letters, digits, '.', '_' and '-', up to"
        " 100, not beginning with '.' or '-'."
    ),
    "bad_pattern": _(
        "%(value)s is not a pattern of file names; allowed: up to %(max)s printable"
        " characters."
    ),
    "too_many_patterns": _("These are %(value)s patterns; allowed: up to %(max)s."),
    "no_writable_root": _(
        "None of the model folders can be written to: %(roots)s. Make one, or give the"
        " platform's user the right to write there."
    ),
    "download_exists": _("Another download into %(path)s is on its way."),
    "too_many_downloads": _(
        "%(max)s downloads are waiting already. Wait until some are done, or cancel"
        " some."
    ),
    "no_such_download": _("There is no download %(value)s."),
    "download_not_allowed": _(
        "The download of %(repo)s is in the state “%(state)s”: that is not possible"
        " now."
    ),
    # why a download failed, or waits for another try
    "folder_exists": _(
        "%(path)s exists already. Choose another name for the folder, or remove it."
    ),
    "repo_not_found": _(
        "The hub has no repository %(repo)s, or it is private. Check the name; for a"
        " private one, set %(setting)s to a token that may read it."
    ),
    "revision_not_found": _(
        "The repository %(repo)s has no branch, tag or commit %(revision)s."
    ),
    "repo_gated": _(
        "%(repo)s may be read only by those who accepted its terms. Accept them at the"
        " hub's website, and set %(setting)s to a token of that account."
    ),
    "token_refused": _(
        "The hub refused the token when asked for %(repo)s. Set %(setting)s to one that"
        " is valid."
    ),
    "hub_unreachable": _(
        "The hub %(endpoint)s cannot be reached: %(detail)s. Check the network, the"
        " proxy, and the address in HF_ENDPOINT or MODELSCOPE_ENDPOINT."
    ),
    "hub_error": _(
        "The hub %(endpoint)s answered with HTTP status %(status)s. Try again later."
    ),
    "not_a_hub": _(
        "What answers at %(endpoint)s is not a hub. Check HF_ENDPOINT or"
        " MODELSCOPE_ENDPOINT."
    ),
    "no_such_files": _(
        "No file of the repository matches %(patterns)s. It has: %(there)s."
    ),
    "too_many_files": _(
        "These are %(value)s files; allowed: up to %(max)s. Give patterns of those that"
        " are needed."
    ),
    "unsafe_file_name": _(
        "The repository has a file named %(value)s, which leads out of its folder or"
        " cannot be stored. Nothing was downloaded."
    ),
    "file_too_large": _(
        "%(path)s is larger than %(max)s GB, which this hub does not send over plain"
        " HTTP. Choose files that are split into parts."
    ),
    "disk_too_small": _(
        "%(path)s has %(free)s MiB free; this download needs %(needed)s MiB, and"
        " %(reserve)s MiB are to stay free. Make room, or choose fewer files."
    ),
    "disk_full": _("The disk of %(path)s is full. Make room, and try again."),
    "checksum_mismatch": _(
        "%(path)s is not what the hub says it should be, fetched twice. Try again, or"
        " another address of the hub."
    ),
    "download_cut": _("The hub sent only a part of %(path)s."),
    "download_is_held": _("Another process is still working on it."),
    "download_interrupted": _(
        "The process that downloaded it was ended again and again."
    ),
    "files_unwritable": _("%(path)s could not be written: %(detail)s."),
    # what happened: the activity feed
    "download_asked": _("Download of %(repo)s into %(path)s was requested."),
    "download_cancelled": _("Download of %(repo)s into %(path)s was cancelled."),
    "download_removed": _("Download of %(repo)s into %(path)s was removed."),
    "download_failed": _("%(repo)s was not downloaded into %(path)s."),
    "download_done": _("%(repo)s was downloaded from %(hub)s into %(path)s."),
}
