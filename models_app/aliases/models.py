"""Aliases: names that stand for several models."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.utils.translation import gettext_lazy as _

ALIAS_LENGTH = 128
MAX_WEIGHT = 1000


class Mode(models.TextChoices):
    WEIGHTED = "weighted", _("By weight")
    FALLBACK = "fallback", _("In order")


class ModelAlias(models.Model):
    """A name for requests, and the models that serve them. Other names of a single
    model are ServedModel.aliases."""

    name = models.CharField(
        _("name"), max_length=ALIAS_LENGTH, unique=True,
        help_text=_("Requests name it instead of a model."),
    )  # fmt: skip
    description = models.TextField(_("description"), blank=True, max_length=10_000)
    mode = models.CharField(
        _("choice of the model"), max_length=10, choices=Mode, default=Mode.FALLBACK,
        help_text=_(
            "In order: the first model that is running serves; the others stand in for"
            " it. By weight: each serves its share. In either case another one takes"
            " over if a model fails before its answer has begun."
        ),
    )  # fmt: skip
    enabled = models.BooleanField(
        _("enabled"), default=True,
        help_text=_("Otherwise requests to it are answered as for an unknown model."),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("alias")
        verbose_name_plural = _("aliases")
        ordering = ("name",)
        constraints = [
            CheckConstraint(condition=Q(mode__in=Mode.values), name="alias_mode_known"),
        ]

    def __str__(self) -> str:
        return self.name


class AliasTarget(models.Model):
    """One of an alias's models. weight: of its share of requests, by weight only."""

    alias = models.ForeignKey(ModelAlias, models.CASCADE, related_name="targets")
    model = models.ForeignKey(
        "models_app.ServedModel", models.CASCADE, related_name="alias_targets",
        verbose_name=_("model"),
    )  # fmt: skip
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    weight = models.PositiveSmallIntegerField(
        _("weight"), default=1,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_WEIGHT)],
        help_text=_("A model of weight 2 serves twice as much as one of weight 1."),
    )  # fmt: skip

    class Meta:
        verbose_name = _("model of an alias")
        verbose_name_plural = _("models of an alias")
        ordering = ("position", "pk")
        constraints = [
            UniqueConstraint(F("alias"), F("model"), name="alias_has_model_once"),
            CheckConstraint(
                condition=Q(weight__range=(1, MAX_WEIGHT)),
                name="alias_weight_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.model.name
