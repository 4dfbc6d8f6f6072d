"""Codes about notification channels and deliveries."""

from django.utils.translation import gettext_lazy as _

from common.enums import Fault
from common.messages import Reason

ALLOW = _(
    "If the receiver is meant to be there, add its network to WEBHOOK_ALLOWED_NETWORKS."
)
REASONS = (
    # Input
    Reason("channel_recipient_invalid", _("%(value)s is not a mail address.")),
    Reason(
        "channel_recipients_limit",
        _("A channel must have 1 to %(max)s recipients, not %(value)s."),
    ),
    Reason(
        "channel_url_invalid",
        _(
            "The URL must start with http:// or https://, name a host and contain no"
            " spaces or control characters."
        ),
    ),
    Reason(
        "channel_url_has_credentials",
        _("The URL must not contain a user name or password."),
    ),
    Reason(
        "channel_secret_invalid",
        _("The secret must be whsec_ followed by 24 to 64 bytes in Base64."),
    ),
    Reason(
        "channel_apprise_url_invalid",
        _("This is not a URL of a service that Apprise supports."),
        advice=_("See https://github.com/caronc/apprise/wiki for the URLs."),
    ),
    # Connections
    Reason(
        "delivery_address_refused",
        _(
            "Notifications are not sent to %(address)s: it is not a public address, or"
            " it belongs to this machine."
        ),
        advice=ALLOW,
    ),
    Reason("delivery_host_unknown", _("The host %(host)s cannot be resolved.")),
    Reason(
        "delivery_unreachable", _("The host %(host)s cannot be reached: %(detail)s.")
    ),
    Reason(
        "delivery_timed_out",
        _("The host %(host)s did not respond within %(max)s seconds."),
    ),
    Reason(
        "delivery_tls_failed",
        _("The TLS connection to %(host)s failed: %(detail)s."),
        advice=_("Check the certificate of the receiver."),
    ),
    # Deliveries
    Reason("channel_is_disabled", _("The channel is disabled.")),
    Reason(
        "channel_secret_missing",
        _("The secret of the channel is missing or cannot be decrypted."),
        advice=_("Enter it again. It is lost if SECRET_KEY has changed."),
    ),
    Reason(
        "delivery_interrupted",
        _("The process that sent it was killed repeatedly."),
        fault=Fault.MACHINE,
    ),
    Reason(
        "delivery_crashed",
        _("Sending ended with an unexpected error. See the platform's log."),
        fault=Fault.PLATFORM,
    ),
    Reason("webhook_status", _("The receiver responded with status %(status)s.")),
    Reason(
        "webhook_redirected",
        _("The receiver responded with a redirect, which is not followed."),
        advice=_("Enter the URL it redirects to."),
    ),
    Reason(
        "webhook_gone",
        _("The receiver responded with 410 Gone: it wants no more messages."),
        advice=_("Check the URL, then enable the channel again."),
    ),
    Reason("webhook_not_http", _("The response of %(host)s is not HTTP.")),
    Reason(
        "mail_not_configured",
        _("No mail server is configured."),
        advice=_("Set EMAIL_HOST."),
    ),
    Reason(
        "mail_recipients_refused",
        _("The mail server refused the recipients (%(status)s)."),
    ),
    Reason(
        "mail_sign_in_failed",
        _("The mail server refused the user name or password (%(status)s)."),
        advice=_("Check EMAIL_HOST_USER and EMAIL_HOST_PASSWORD."),
    ),
    Reason(
        "mail_not_supported",
        _("The mail server %(host)s offers no STARTTLS or no sign-in."),
        advice=_("Check EMAIL_USE_TLS, EMAIL_USE_SSL and EMAIL_HOST_USER."),
    ),
    Reason("mail_refused", _("The mail server refused the message (%(status)s).")),
    Reason("mail_not_smtp", _("The mail server %(host)s closed the connection.")),
    Reason(
        "apprise_failed",
        _("The service did not accept the message or could not be reached."),
        variants={"status": _("The service responded with status %(status)s.")},
    ),
    Reason(
        "apprise_timed_out", _("The service did not respond within %(max)s seconds.")
    ),
    # Activity
    Reason("delivery_failed", _("A notification to %(channel)s could not be sent.")),
    Reason("channel_disabled", _("The channel %(channel)s was disabled.")),
)
