"""The sign-in page once too many passwords were wrong; django-axes counts them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from unfold.forms import AuthenticationForm


class SignInForm(AuthenticationForm):  # type: ignore[misc]
    def get_invalid_login_error(self) -> ValidationError:
        if not getattr(self.request, "axes_locked_out", False):
            error: ValidationError = super().get_invalid_login_error()
            return error
        minutes = settings.SIGN_IN_LOCK_MINUTES
        text = _("Too many failed sign-ins. Try again in %(minutes)s min.")
        return ValidationError(text % {"minutes": minutes}, code="locked")


def locked_out(
    request: HttpRequest, response: HttpResponse, credentials: Any
) -> HttpResponse:
    """For AXES_LOCKOUT_CALLABLE: the form, which shows the reason."""
    response.status_code = 429
    response.headers["Retry-After"] = str(settings.SIGN_IN_LOCK_MINUTES * 60)
    return response
