from typing import ClassVar

from django.utils.translation import gettext_lazy as _
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied

from common.messages import render
from models_app.models import ApiToken


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc]
    """Tokens that are restricted to a scope are taken only where it is served."""

    scope: ClassVar[str] = ""

    def authenticate_credentials(self, token: bytes) -> tuple[object, object]:
        """knox would fail on what is not UTF-8, a database on NUL."""
        if not (token.isascii() and token.decode().isprintable()):
            raise AuthenticationFailed(_("Invalid token."))
        known: tuple[object, object] = super().authenticate_credentials(token)
        return known

    def _cleanup_token(self, auth_token: ApiToken) -> bool:
        """Whether it has expired. knox would delete the row, and all expired ones of
        its user, which a wrong clock makes of any token."""
        return auth_token.is_expired

    def validate_user(self, auth_token: ApiToken) -> tuple[object, object]:
        if auth_token.scopes and self.scope not in auth_token.scopes:
            params = {"allowed": auth_token.scope_labels}
            raise PermissionDenied(render("token_restricted", params))
        known: tuple[object, object] = super().validate_user(auth_token)
        return known
