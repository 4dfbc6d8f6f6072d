"""Codes about model files and folders."""

from django.utils.translation import gettext_lazy as _

from common.enums import Fault
from common.messages import Reason

FETCH_AGAIN = _(
    "Copy or download it again, then compare its size and checksum with the original."
)
REASONS = (
    # What is wrong with a model's files
    Reason(
        "file_missing",
        _("The file %(path)s does not exist."),
        advice=_(
            "Correct the path, or put the file there. All parts of a model must be in"
            " the same folder."
        ),
        subject="path",
    ),
    Reason(
        "file_unreadable",
        _("The platform cannot read the file %(path)s."),
        advice=_(
            "Give the user that the platform runs as read access to the file and its"
            " folders (chmod, chown)."
        ),
        subject="permission",
    ),
    Reason(
        "not_a_file",
        _("%(path)s is not a file."),
        advice=_("Enter the path of the .gguf file itself."),
        subject="path",
    ),
    Reason(
        "not_a_folder",
        _("%(path)s is not a folder."),
        advice=_("Enter the folder that contains config.json."),
        subject="path",
    ),
    Reason(
        "path_outside_roots",
        _("%(path)s is outside the model folders. Allowed folders: %(roots)s."),
        advice=_(
            "Move the model into one of these folders, or add its folder to MODEL_ROOTS"
            " and restart the platform."
        ),
        subject="path",
    ),
    Reason(
        "mount_not_responding",
        _("The file system of %(path)s does not respond. It is mounted at %(mount)s."),
        advice=_("Check the server of the file system, and mount it again."),
        fault=Fault.MACHINE,
        subject="path",
    ),
    Reason(
        "lfs_pointer",
        _("%(path)s is only a Git LFS pointer: its content has not been downloaded."),
        advice=_(
            "Run git lfs pull in the clone, or download the model in the model library."
        ),
        subject="format",
    ),
    Reason(
        "not_gguf",
        _("%(path)s is not a GGUF file."),
        advice=_(
            "llama.cpp needs a GGUF file. Use vLLM for folders with safetensors files."
        ),
        subject="format",
    ),
    Reason(
        "gguf_truncated",
        _(
            "%(path)s is truncated: it ends at byte %(size)s, within data that starts"
            " at byte %(at)s."
        ),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "gguf_broken",
        _("The header of %(path)s is corrupt at byte %(at)s: %(what)s."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "gguf_value",
        _("%(path)s contains an impossible value: %(key)s is %(value)s."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "gguf_lacks",
        _("%(path)s does not contain %(key)s."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "gguf_not_first",
        _("%(path)s is not the first part of the model. The first part is %(first)s."),
        advice=_("Enter the path of the first part."),
        subject="format",
    ),
    Reason(
        "gguf_not_a_model",
        _("%(path)s is not a complete model: its type is %(kind)s."),
        advice=_("Enter the path of the model it belongs to."),
        subject="format",
    ),
    Reason(
        "bad_model_config",
        _("%(path)s must be a JSON object of at most %(max)s bytes."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "model_config_value",
        _("%(path)s contains an impossible value: %(key)s is %(value)s."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "model_config_lacks",
        _("%(path)s does not contain %(key)s."),
        subject="format",
    ),
    Reason(
        "no_weights",
        _("%(path)s contains no weights (%(expected)s)."),
        advice=_("Copy or download all files of the model."),
        subject="format",
    ),
    Reason(
        "weights_truncated",
        _("%(path)s is smaller than the weights it should contain."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    # What a scan of the model folders leaves out
    Reason("folder_missing", _("The folder %(path)s does not exist.")),
    Reason(
        "folder_unreadable",
        _("The platform cannot read the folder %(path)s."),
    ),
    Reason(
        "link_outside",
        _("%(path)s is a link that points outside the model folders."),
    ),
    Reason(
        "folders_too_deep",
        _("Folders in %(path)s were skipped: only %(max)s levels are scanned."),
    ),
    Reason(
        "scan_cut",
        _(
            "The scan stopped in %(path)s after %(entries)s files and folders. Scan"
            " again to continue, or use smaller model folders."
        ),
    ),
)
