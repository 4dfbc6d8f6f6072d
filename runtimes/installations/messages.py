"""Codes about engine images and their pulls."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason

REASONS = (
    # Pulls
    Reason(
        "no_such_image",
        _("No image is named for %(value)s; allowed: %(allowed)s."),
    ),
    Reason("pull_exists", _("%(image)s is being pulled already.")),
    Reason("pull_is_over", _("The pull of %(image)s is over.")),
    Reason("pull_failed", _("The image %(image)s could not be pulled: %(detail)s")),
    Reason(
        "pull_interrupted",
        _("The process that pulled it was ended. Pull it again."),
    ),
    # Activity
    Reason("image_asked", _("The image %(image)s was asked for.")),
    Reason("image_done", _("The image %(image)s was pulled.")),
    Reason("image_failed", _("The image %(image)s was not pulled.")),
    Reason("image_cancelled", _("The pull of the image %(image)s was cancelled.")),
)
