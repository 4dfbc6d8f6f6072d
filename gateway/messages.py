"""Messages of the gateway's error codes."""

from __future__ import annotations

from contextlib import suppress

from django.conf import settings
from django.utils.translation import get_supported_language_variant
from django.utils.translation import gettext_lazy as _
from django.utils.translation.trans_real import parse_accept_lang_header

from common.messages import Reason, register
from models_app.limits.messages import FIELDS
from models_app.limits.models import SUBJECTS

REASONS = (
    Reason(
        "not_authenticated",
        _("An API token is required: Authorization: Bearer TOKEN."),
    ),
    Reason(
        "authentication_failed",
        _("The API token is unknown or has expired."),
    ),
    Reason("permission_denied", _("User %(user)s may not send requests to models.")),
    Reason(
        "method_not_allowed",
        _("Method %(value)s is not allowed. Allowed methods: %(allowed)s."),
    ),
    Reason("parse_error", _("The body is not a JSON object: %(detail)s.")),
    Reason("invalid_form", _("The body is not a valid form: %(detail)s.")),
    Reason(
        "prompt_or_messages", _("Either prompt or messages is required, but not both.")
    ),
    Reason(
        "too_many_requests",
        _(
            "Too many requests of this token to model %(model)s at once. At most"
            " %(max)s are allowed. Try again."
        ),
    ),
    Reason(
        "limit_exceeded",
        _(
            "The limit of the %(subject)s is reached: %(limit)s %(max)s. Try again in"
            " %(seconds)s s."
        ),
        labels={"subject": SUBJECTS, "limit": FIELDS},
    ),
    Reason(
        "queue_full",
        _(
            "Model %(model)s is busy, and %(max)s requests wait for it already. Try"
            " again."
        ),
    ),
    Reason(
        "queue_timeout",
        _("Model %(model)s is busy. The request waited for %(seconds)s s. Try again."),
    ),
    Reason(
        "too_many_prompts",
        _(
            "%(key)s requests %(value)s results at once. At most %(max)s are allowed in"
            " one request."
        ),
    ),
    Reason(
        "no_embeddings",
        _(
            "Model %(model)s does not support embeddings. Send its requests to"
            " /v1/chat/completions or /v1/completions."
        ),
    ),
    Reason(
        "only_embeddings",
        _(
            "Model %(model)s is an embedding model and generates no text. Send its"
            " requests to /v1/embeddings."
        ),
    ),
    Reason(
        "endpoint_not_supported",
        _("Model %(model)s does not support %(endpoint)s. It supports %(allowed)s."),
    ),
    Reason(
        "model_not_running",
        _(
            "Model %(model)s accepts no requests in the status “%(status)s”. Allowed"
            " operations: %(allowed)s."
        ),
    ),
    Reason(
        "alias_without_models",
        _("Alias %(model)s accepts no requests, because it has no models. Add one."),
    ),
    Reason(
        "model_stopping",
        _("Model %(model)s accepts no requests in the status “%(status)s”."),
    ),
    Reason(
        "model_not_ready",
        _("Model %(model)s is not ready (%(status)s). Try again in %(seconds)s s."),
    ),
    Reason(
        "routes_unknown", _("The platform is starting or its database is unavailable.")
    ),
    Reason("engine_busy", _("The engine of model %(model)s is loading. Try again.")),
    Reason("engine_failed", _("The engine of model %(model)s failed. Try again.")),
    Reason(
        "engine_timeout",
        _("The engine of model %(model)s did not respond in time."),
    ),
    Reason("engine_refused", _("The engine of model %(model)s rejected the request.")),
    # In every language, since clients match the phrase of OpenAI's API.
    Reason(
        "context_too_long",
        _(
            "This model's maximum context length is %(max)s tokens. The request is"
            " longer."
        ),
        variants={
            "value": _(
                "This model's maximum context length is %(max)s tokens. The request has"
                " %(value)s tokens."
            )
        },
    ),
    Reason(
        "response_too_large",
        _(
            "The response exceeds %(max)s MiB. Set stream to true, or request fewer"
            " tokens or log probabilities."
        ),
    ),
    Reason(
        "unknown_tool",
        _("tool_choice names the function %(value)s. Functions in tools: %(allowed)s."),
    ),
)
register(REASONS)


def preferred_language(accept: str) -> str:
    """The first supported language of an Accept-Language header, else the default."""
    for code, _weight in parse_accept_lang_header(accept.lower()):
        with suppress(LookupError):
            return get_supported_language_variant(code)
    return settings.LANGUAGE_CODE
