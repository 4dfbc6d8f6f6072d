"""What a model's tokens cost."""

from __future__ import annotations

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

PRICE_DECIMALS = 4


def _price(name: Any, help_text: Any = "") -> Any:
    return models.DecimalField(
        name, max_digits=10, decimal_places=PRICE_DECIMALS, null=True, blank=True,
        validators=[MinValueValidator(0)], help_text=help_text,
    )  # fmt: skip


class Priced(models.Model):
    """Prices per million tokens, in settings.CURRENCY. None: nothing is charged."""

    input_price = _price(_("input price"), _("Per million tokens of prompts."))
    cached_input_price = _price(
        _("cached input price"),
        _("Per million cached tokens. If empty, the input price applies."),
    )
    output_price = _price(_("output price"), _("Per million generated tokens."))

    class Meta:
        abstract = True
