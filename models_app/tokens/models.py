"""API tokens."""

from __future__ import annotations

from django.db import models
from django.db.models import F, UniqueConstraint
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken

from models_app.enums import TokenScope


class ApiToken(AbstractAuthToken):  # type: ignore[misc]
    """Bearer token. Only its digest is stored; the token itself is shown once."""

    name = models.CharField(_("name"), max_length=100)
    # Empty: everything its user may do. Otherwise only what these scopes allow.
    scopes = models.JSONField(_("restricted to"), default=list, blank=True)

    class Meta(AbstractAuthToken.Meta):  # type: ignore[misc]
        abstract = False
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ("-created",)
        constraints = [
            UniqueConstraint(F("user"), F("name"), name="token_name_unique_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"

    @property
    def is_expired(self) -> bool:
        return self.expiry is not None and self.expiry <= timezone.now()

    @property
    def scope_labels(self) -> list[str]:
        labels = dict(TokenScope.choices)
        return [str(labels.get(scope, scope)) for scope in self.scopes]
