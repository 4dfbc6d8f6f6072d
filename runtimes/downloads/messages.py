"""Codes about downloads of models."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason

REASONS = (
    # What is wrong with a request
    Reason(
        "bad_repo",
        _(
            "%(value)s is not the name of a repository. Needed: owner/name, as at the"
            " hub."
        ),
    ),
    Reason("bad_revision", _("%(value)s is not a branch, tag or commit.")),
    Reason(
        "bad_folder",
        _(
            "%(value)s is not a name for a folder: letters, digits, '.', '_' and '-',"
            " up to 100, not beginning with '.' or '-'."
        ),
    ),
    Reason(
        "bad_pattern",
        _(
            "%(value)s is not a pattern of file names; allowed: up to %(max)s printable"
            " characters."
        ),
    ),
    Reason(
        "too_many_patterns",
        _("These are %(value)s patterns; allowed: up to %(max)s."),
    ),
    Reason(
        "no_writable_root",
        _(
            "None of the model folders can be written to: %(roots)s. Make one, or give"
            " the platform's user the right to write there."
        ),
    ),
    Reason("download_exists", _("Another download into %(path)s is on its way.")),
    Reason(
        "too_many_downloads",
        _(
            "%(max)s downloads are waiting already. Wait until some are done, or cancel"
            " some."
        ),
    ),
    Reason("no_such_download", _("There is no download %(value)s.")),
    Reason(
        "download_not_allowed",
        _(
            "The download of %(repo)s is in the state “%(state)s”: that is not possible"
            " now."
        ),
    ),
    # Why a download failed, or waits for another attempt
    Reason(
        "folder_exists",
        _("%(path)s exists already. Choose another name for the folder, or remove it."),
    ),
    Reason(
        "repo_not_found",
        _(
            "The hub has no repository %(repo)s, or it is private. Check the name; for"
            " a private one, set %(setting)s to a token that may read it."
        ),
    ),
    Reason(
        "revision_not_found",
        _("The repository %(repo)s has no branch, tag or commit %(revision)s."),
    ),
    Reason(
        "repo_gated",
        _(
            "%(repo)s may be read only by those who accepted its terms. Accept them at"
            " the hub's website, and set %(setting)s to a token of that account."
        ),
    ),
    Reason(
        "token_refused",
        _(
            "The hub refused the token when asked for %(repo)s. Set %(setting)s to one"
            " that is valid."
        ),
    ),
    Reason(
        "hub_unreachable",
        _(
            "The hub %(endpoint)s cannot be reached: %(detail)s. Check the network, the"
            " proxy, and the address in HF_ENDPOINT or MODELSCOPE_ENDPOINT."
        ),
    ),
    Reason(
        "hub_error",
        _(
            "The hub %(endpoint)s answered with HTTP status %(status)s. Try again"
            " later."
        ),
    ),
    Reason(
        "not_a_hub",
        _(
            "What answers at %(endpoint)s is not a hub. Check HF_ENDPOINT or"
            " MODELSCOPE_ENDPOINT."
        ),
    ),
    Reason(
        "no_such_files",
        _("No file of the repository matches %(patterns)s. It has: %(there)s."),
    ),
    Reason(
        "too_many_files",
        _(
            "These are %(value)s files; allowed: up to %(max)s. Give patterns of those"
            " that are needed."
        ),
    ),
    Reason(
        "unsafe_file_name",
        _(
            "The repository has a file named %(value)s, which leads out of its folder"
            " or cannot be stored. Nothing was downloaded."
        ),
    ),
    Reason(
        "file_too_large",
        _(
            "%(path)s is larger than %(max)s GB, which this hub does not send over"
            " plain HTTP. Choose files that are split into parts."
        ),
    ),
    Reason(
        "disk_too_small",
        _(
            "%(path)s has %(free)s MiB free; this download needs %(needed)s MiB, and"
            " %(reserve)s MiB are to stay free. Make room, or choose fewer files."
        ),
    ),
    Reason("disk_full", _("The disk of %(path)s is full. Make room, and try again.")),
    Reason(
        "checksum_mismatch",
        _(
            "%(path)s is not what the hub says it should be, fetched twice. Try again,"
            " or another address of the hub."
        ),
    ),
    Reason("download_cut", _("The hub sent only a part of %(path)s.")),
    Reason("download_is_held", _("Another process is still working on it.")),
    Reason(
        "download_interrupted",
        _("The process that downloaded it was ended again and again."),
    ),
    Reason("files_unwritable", _("%(path)s could not be written: %(detail)s.")),
    # Activity
    Reason("download_asked", _("Download of %(repo)s into %(path)s was requested.")),
    Reason(
        "download_cancelled",
        _("Download of %(repo)s into %(path)s was cancelled."),
    ),
    Reason("download_removed", _("Download of %(repo)s into %(path)s was removed.")),
    Reason("download_failed", _("%(repo)s was not downloaded into %(path)s.")),
    Reason("download_done", _("%(repo)s was downloaded from %(hub)s into %(path)s.")),
)
