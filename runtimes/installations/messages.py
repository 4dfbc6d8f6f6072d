"""Codes about engine images and their pulls."""

from django.utils.translation import gettext_lazy as _

from common.messages import Reason

REASONS = (
    # Pulls
    Reason(
        "no_such_image",
        _("No image is configured for %(value)s. Allowed values: %(allowed)s."),
    ),
    Reason("pull_exists", _("%(image)s is already being pulled.")),
    Reason("pull_is_over", _("The pull of %(image)s has already ended.")),
    Reason("pull_failed", _("The image %(image)s could not be pulled: %(detail)s")),
    Reason(
        "pull_interrupted",
        _("The pull was interrupted. Pull the image again."),
    ),
    # Activity
    Reason("image_asked", _("A pull of the image %(image)s was requested.")),
    Reason("image_done", _("The image %(image)s was pulled.")),
    Reason("image_failed", _("The pull of the image %(image)s failed.")),
    Reason("image_cancelled", _("The pull of the image %(image)s was cancelled.")),
)
