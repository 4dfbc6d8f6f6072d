"""Codes about model files and folders."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason

FETCH_AGAIN = _(
    "Copy or download it again, and compare its size and checksum with the original's."
)
REASONS = (
    # What is wrong with a model's files
    Reason(
        "file_missing",
        _("There is no file %(path)s."),
        advice=_(
            "Correct the path, or put the file there; all parts of a model have to be"
            " in one folder."
        ),
        subject="path",
    ),
    Reason(
        "file_unreadable",
        _("The file %(path)s cannot be read by the platform."),
        advice=_(
            "Let the user that the platform runs as read it, and enter its folders:"
            " chmod, chown."
        ),
        subject="permission",
    ),
    Reason(
        "not_a_file",
        _("%(path)s is not a file."),
        advice=_("Give the path of the .gguf file itself."),
        subject="path",
    ),
    Reason(
        "not_a_folder",
        _("%(path)s is not a folder."),
        advice=_("Give the folder that holds config.json."),
        subject="path",
    ),
    Reason(
        "path_outside_roots",
        _("%(path)s is outside the model folders. Allowed: %(roots)s."),
        advice=_(
            "Move the model into one of these folders, or add its folder to MODEL_ROOTS"
            " and restart the platform."
        ),
        subject="path",
    ),
    Reason(
        "lfs_pointer",
        _("%(path)s is only a pointer of Git LFS: its content was not fetched."),
        advice=_(
            "Run git lfs pull where it was cloned, or download it in the model library."
        ),
        subject="format",
    ),
    Reason(
        "not_gguf",
        _("%(path)s is not a GGUF file."),
        advice=_(
            "llama.cpp needs a file in the format GGUF; folders with safetensors run on"
            " vLLM."
        ),
        subject="format",
    ),
    Reason(
        "gguf_truncated",
        _("%(path)s is cut short: it ends at byte %(size)s, in what begins at %(at)s."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "gguf_broken",
        _("The header of %(path)s is broken at byte %(at)s: %(what)s."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "gguf_value",
        _("%(path)s says that %(key)s is %(value)s, which cannot be."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "gguf_lacks",
        _("%(path)s does not say what its %(key)s is."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "gguf_not_first",
        _("%(path)s is not the first of its parts. That is %(first)s."),
        advice=_("Give the path of the first part."),
        subject="format",
    ),
    Reason(
        "gguf_not_a_model",
        _("%(path)s is no model by itself: it says of itself %(kind)s."),
        advice=_("Give the path of the model it belongs to."),
        subject="format",
    ),
    Reason(
        "bad_model_config",
        _("%(path)s is not a JSON object of up to %(max)s bytes."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "model_config_value",
        _("%(path)s says that %(key)s is %(value)s, which cannot be."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    Reason(
        "model_config_lacks",
        _("%(path)s does not say what its %(key)s is."),
        subject="format",
    ),
    Reason(
        "no_weights",
        _("%(path)s holds no weights: no file named %(expected)s."),
        advice=_("Copy or download all files of the model."),
        subject="format",
    ),
    Reason(
        "weights_truncated",
        _("%(path)s is smaller than the weights it should hold."),
        advice=FETCH_AGAIN,
        subject="format",
    ),
    # What a scan of the model folders leaves out
    Reason("folder_missing", _("There is no folder %(path)s.")),
    Reason(
        "folder_unreadable",
        _("The folder %(path)s cannot be read by the platform."),
    ),
    Reason(
        "link_outside",
        _("%(path)s is a link that leads out of the model folders."),
    ),
    Reason(
        "folders_too_deep",
        _("Folders in %(path)s are left out: only %(max)s levels are read."),
    ),
    Reason(
        "scan_cut",
        _(
            "The scan ended in %(path)s, after %(entries)s files and folders: what"
            " comes after is left out. Scan again to go on, or use smaller model"
            " folders."
        ),
    ),
)
