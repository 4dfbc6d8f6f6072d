"""Who used which model for how much."""

from __future__ import annotations

from django.db import models
from django.db.models import UniqueConstraint
from django.utils.translation import gettext_lazy as _

COST_DECIMALS = 10


class UsageRecord(models.Model):
    """What one token used of one model in one hour. No foreign keys: a bill outlives
    its token, user and model; their names are those of their last request.

    requests includes errors, refused and cancelled, as in monitoring.metrics;
    cached_tokens are part of prompt_tokens, reasoning_tokens of completion_tokens.
    """

    # Its start, UTC, in seconds since the epoch
    hour = models.BigIntegerField()
    # The part of the token that is shown
    token_id = models.CharField(max_length=25)
    user_id = models.BigIntegerField()
    model_id = models.BigIntegerField()
    token_name = models.CharField(max_length=100)
    user_name = models.CharField(max_length=150)
    model_name = models.CharField(max_length=63)
    requests = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    cache_hits = models.BigIntegerField(default=0)
    prompt_tokens = models.BigIntegerField(default=0)
    cached_tokens = models.BigIntegerField(default=0)
    completion_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    # By the prices at the time of use
    cost = models.DecimalField(max_digits=24, decimal_places=COST_DECIMALS, default=0)

    class Meta:
        verbose_name = _("usage")
        verbose_name_plural = _("usage")
        default_permissions = ("view",)
        constraints = [
            UniqueConstraint(
                fields=["hour", "token_id", "user_id", "model_id"], name="usage_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.token_name}: {self.model_name}@{self.hour}"
