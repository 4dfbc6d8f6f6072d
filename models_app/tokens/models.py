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
    # A flag, because a token whose last model is deleted must not get all of them.
    any_model = models.BooleanField(_("any model"), default=True)
    allowed_models = models.ManyToManyField(
        "models_app.ServedModel", related_name="+", verbose_name=_("models"), blank=True
    )
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)

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
    def model_names(self) -> list[str] | None:
        """Of the models that it may use; None: any."""
        if self.any_model:
            return None
        return sorted(model.name for model in self.allowed_models.all())

    @property
    def scope_labels(self) -> list[str]:
        labels = dict(TokenScope.choices)
        return [str(labels.get(scope, scope)) for scope in self.scopes]
