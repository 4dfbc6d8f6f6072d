"""Messages of the policy in front of the application."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from common.messages import Reason

REASONS = (
    Reason("malformed_request", _("This is not a valid HTTP request.")),
    Reason(
        "header_too_large",
        _("The header of the request is larger than the limit of %(max)s bytes."),
    ),
    Reason(
        "request_timeout",
        _("The request was not complete within %(seconds)s s."),
    ),
    Reason(
        "too_many_connections",
        _("This address has too many open connections. At most %(max)s are allowed."),
    ),
    Reason(
        "too_many_open_requests",
        _(
            "This token or session has too many open requests. At most %(max)s are"
            " allowed."
        ),
    ),
    Reason(
        "content_encoding",
        _("Bodies with Content-Encoding %(value)s are not accepted. Send them plain."),
    ),
    Reason(
        "transfer_encoding",
        _("Bodies with Transfer-Encoding %(value)s are not accepted, only chunked."),
    ),
    Reason(
        "sign_in_before_body",
        _("Sign in, or send a valid API token, before sending a large body."),
    ),
    Reason(
        "repeated_authorization",
        _("The request has more than one Authorization header."),
    ),
    Reason(
        "https_required",
        _("This server accepts requests over HTTPS only."),
    ),
)
