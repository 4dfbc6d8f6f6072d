"""Named sets of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from models_app.enums import RunState

if TYPE_CHECKING:
    from models_app.models import Activity, Run, ServedModel  # noqa: F401 -- as text


class ServedModelQuerySet(QuerySet["ServedModel"]):
    def named(self, name_or_id: str) -> ServedModelQuerySet:
        """The one model that an API path means: digits are an id, all else a name."""
        if name_or_id.isascii() and name_or_id.isdigit():
            return self.filter(pk=int(name_or_id[:18]))
        return self.filter(name=name_or_id)


class RunQuerySet(QuerySet["Run"]):
    def live(self) -> RunQuerySet:
        return self.exclude(state=RunState.ENDED)

    def ended(self) -> RunQuerySet:
        return self.filter(state=RunState.ENDED)

    def ready(self) -> RunQuerySet:
        return self.filter(state=RunState.READY)

    def newest_per_model(self, count: int) -> RunQuerySet:
        newest_first = Window(
            RowNumber(), partition_by=F("model_id"), order_by=F("pk").desc()
        )
        return self.alias(nth=newest_first).filter(nth__lte=count)


class ActivityQuerySet(QuerySet["Activity"]):
    def newest(self) -> ActivityQuerySet:
        return self.order_by("-pk")
