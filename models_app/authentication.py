from typing import ClassVar

from django.utils.translation import gettext_lazy as _
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from common.messages import render
from models_app.enums import TokenScope
from models_app.models import ApiToken
from models_app.tokens.last_use import record_use
from models_app.tokens.scopes import allows


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc]
    """scope: what a restricted token needs; empty: to read or to manage, by method."""

    scope: ClassVar[str] = ""

    def authenticate(self, request: Request) -> tuple[object, ApiToken] | None:
        found: tuple[object, ApiToken] | None = super().authenticate(request)
        if found is not None:
            self._check_scope(request, found[1])
            record_use([found[1]])
        return found

    def _check_scope(self, request: Request, token: ApiToken) -> None:
        by_method = (
            TokenScope.READ if request.method in SAFE_METHODS else TokenScope.MANAGE
        )
        if not allows(token.scopes, self.scope or by_method):
            params = {"allowed": token.scopes}
            raise PermissionDenied(render("token_restricted", params))

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
