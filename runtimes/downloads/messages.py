"""Codes about downloads of models."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason

REASONS = (
    # What is wrong with a request
    Reason(
        "bad_repo",
        _("%(value)s is not a repository name. It must have the form owner/name."),
    ),
    Reason(
        "repo_elsewhere",
        _(
            "%(value)s is not an address at the hub %(endpoint)s. Enter owner/name, or"
            " the address of a repository there."
        ),
    ),
    Reason("bad_revision", _("%(value)s is not a branch, tag or commit.")),
    Reason(
        "bad_folder",
        _(
            "%(value)s cannot be used as a folder name. Use up to 100 letters, digits,"
            " '.', '_' and '-', and do not start with '.' or '-'."
        ),
    ),
    Reason(
        "bad_pattern",
        _(
            "%(value)s is not a file name pattern. Use at most %(max)s printable"
            " characters."
        ),
    ),
    Reason(
        "too_many_patterns",
        _("%(value)s patterns were given. At most %(max)s are allowed."),
    ),
    Reason(
        "no_writable_root",
        _(
            "None of the model folders is writable: %(roots)s. Create one, or allow the"
            " platform's user to write there."
        ),
    ),
    Reason(
        "download_exists", _("Another download into %(path)s is already in progress.")
    ),
    Reason(
        "too_many_downloads",
        _(
            "%(max)s downloads are already waiting. Wait until some are done, or cancel"
            " some."
        ),
    ),
    Reason("no_such_download", _("Download %(value)s does not exist.")),
    Reason(
        "download_not_allowed",
        _(
            "This is not possible while the download of %(repo)s is in the state"
            " “%(state)s”."
        ),
    ),
    # Why a download failed, or waits for another attempt
    Reason(
        "folder_exists",
        _("%(path)s already exists. Choose another folder name, or remove it."),
    ),
    Reason(
        "repo_not_found",
        _(
            "The repository %(repo)s does not exist on the hub or is private. Check the"
            " name; for a private repository, set %(setting)s to a token with read"
            " access."
        ),
    ),
    Reason(
        "revision_not_found",
        _("The repository %(repo)s has no branch, tag or commit %(revision)s."),
    ),
    Reason(
        "repo_gated",
        _(
            "Access to %(repo)s requires accepting its terms. Accept them on the hub's"
            " website, and set %(setting)s to a token of that account."
        ),
    ),
    Reason(
        "token_refused",
        _("The hub rejected the token for %(repo)s. Set %(setting)s to a valid token."),
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
            "The hub %(endpoint)s responded with HTTP status %(status)s. Try again"
            " later."
        ),
    ),
    Reason(
        "not_a_hub",
        _(
            "The server at %(endpoint)s is not a model hub. Check HF_ENDPOINT or"
            " MODELSCOPE_ENDPOINT."
        ),
    ),
    Reason(
        "no_such_files",
        _("No file in the repository matches %(patterns)s. Existing files: %(there)s."),
    ),
    Reason(
        "too_many_files",
        _(
            "The download has %(value)s files. At most %(max)s are allowed. Use"
            " patterns to select the files that are needed."
        ),
    ),
    Reason(
        "unsafe_file_name",
        _(
            "The repository contains a file named %(value)s, which points outside its"
            " folder or cannot be stored. Nothing was downloaded."
        ),
    ),
    Reason(
        "file_too_large",
        _(
            "%(path)s is larger than %(max)s GB, the hub's limit for plain HTTP. Choose"
            " files that are split into parts."
        ),
    ),
    Reason(
        "disk_too_small",
        _(
            "%(path)s has %(free)s MiB free. This download needs %(needed)s MiB, and"
            " %(reserve)s MiB must stay free. Free up space, or choose fewer files."
        ),
    ),
    Reason(
        "checksum_mismatch",
        _(
            "The checksum of %(path)s did not match the hub's in two attempts. Try"
            " again, or use another address of the hub."
        ),
    ),
    Reason(
        "file_size_differs",
        _(
            "The hub lists %(path)s with %(size)s bytes but sent a different number."
            " The download was stopped."
        ),
    ),
    Reason(
        "address_refused",
        _(
            "The hub redirected to %(address)s, which is not a public address. If its"
            " files are kept there, add the network to DOWNLOAD_NETWORKS."
        ),
    ),
    Reason(
        "hub_response_too_large",
        _(
            "A response of the hub needs more than %(max)s MiB of memory. Check"
            " HF_ENDPOINT or MODELSCOPE_ENDPOINT."
        ),
    ),
    Reason("download_cut", _("The hub sent only part of %(path)s.")),
    Reason("download_is_held", _("Another process is still downloading it.")),
    Reason(
        "download_interrupted",
        _("The download was interrupted repeatedly."),
    ),
    Reason("files_unwritable", _("%(path)s could not be written: %(detail)s.")),
    # Activity
    Reason("download_asked", _("A download of %(repo)s into %(path)s was requested.")),
    Reason(
        "download_cancelled",
        _("The download of %(repo)s into %(path)s was cancelled."),
    ),
    Reason(
        "download_removed",
        _("The download of %(repo)s into %(path)s was removed from the list."),
    ),
    Reason("download_failed", _("The download of %(repo)s into %(path)s failed.")),
    Reason("download_done", _("%(repo)s was downloaded from %(hub)s into %(path)s.")),
)
