"""REST API of alerts and alert rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, ClassVar, cast

from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet, ModelViewSet, ReadOnlyModelViewSet

from common.messages import render
from models_app.filters import ShortSearch, StableOrdering
from monitoring.alerts import actions, permissions
from monitoring.alerts.backtest import backtest
from monitoring.alerts.editing import create_rule, delete_rule, update_rule
from monitoring.alerts.filters import AlertFilter
from monitoring.alerts.models import Alert, AlertRule
from monitoring.alerts.permissions import ByAction
from monitoring.alerts.sentences import backtest_sentence
from monitoring.alerts.serializers import (
    AlertSerializer,
    BacktestResultSerializer,
    BacktestSerializer,
    RuleSerializer,
    SilenceSerializer,
    UnreadSerializer,
)
from monitoring.history.sources import names_of

NUMBER = "[0-9]{1,18}"


def accepts(request: Any = None, answer: Any = AlertSerializer) -> Callable[[Any], Any]:
    return extend_schema(request=request, responses=answer)


# Docstrings of views are descriptions in the schema.
class ById(GenericViewSet[Any]):
    permission_classes = (ByAction,)
    filter_backends: Any = (DjangoFilterBackend, ShortSearch, StableOrdering)
    lookup_value_regex = NUMBER
    lookup_url_kwarg = "id"
    no_such: ClassVar[str]  # code of the error about an unknown id
    may: ClassVar[dict[str, str]]

    def get_object(self) -> Any:
        number = self.kwargs["id"]
        found = self.get_queryset().filter(pk=number).first()
        if found is None:
            raise NotFound(render(self.no_such, {"value": number}))
        return found


@extend_schema_view(
    list=extend_schema(
        description="`since` and `until`: those that fired before `until` and were not"
        " over before `since`."
    )
)
class Alerts(ById, ReadOnlyModelViewSet[Alert]):
    queryset = Alert.objects.order_by("-pk")
    serializer_class = AlertSerializer
    filterset_class = AlertFilter
    search_fields = ["rule_name", "source_name"]
    ordering_fields = ["id", "fired_at", "ended_at"]
    ordering = ["-id"]
    no_such = "no_such_alert"
    may: ClassVar[dict[str, str]] = {
        "list": permissions.VIEW_ALERTS,
        "acknowledge": permissions.OPERATE_ALERTS,
        "silence": permissions.OPERATE_ALERTS,
        "unsilence": permissions.OPERATE_ALERTS,
    }

    @accepts()
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, id: str) -> Response:
        """Somebody takes care of it: no more reminders. Only what is firing."""
        alert = actions.acknowledge(self.get_object(), request.user)
        return Response(self.get_serializer(alert).data)

    @accepts(SilenceSerializer)
    @action(detail=True, methods=["post"])
    def silence(self, request: Request, id: str) -> Response:
        """No messages about it until a time. Replaces an earlier silence."""
        body = SilenceSerializer(data=request.data)
        alert = self.get_object()
        body.is_valid(raise_exception=True)
        alert = actions.silence(alert, body.validated_data["until"], request.user)
        return Response(self.get_serializer(alert).data)

    @accepts()
    @action(detail=True, methods=["post"])
    def unsilence(self, request: Request, id: str) -> Response:
        alert = actions.unsilence(self.get_object(), request.user)
        return Response(self.get_serializer(alert).data)

    @accepts(None, {204: None})
    @action(detail=False, methods=["post"], url_path="mark-read")
    def mark_read(self, request: Request) -> Response:
        """The caller has seen all alerts up to now."""
        actions.mark_read(request.user)
        return Response(status=204)

    @accepts(None, UnreadSerializer)
    @action(detail=False, filter_backends=[], pagination_class=None)
    def unread(self, request: Request) -> Response:
        return Response({"count": actions.unread(request.user)})


class AlertRules(ById, ModelViewSet[AlertRule]):
    queryset = AlertRule.objects.prefetch_related("channels").order_by("name")
    serializer_class = RuleSerializer
    search_fields = ["name", "description"]
    ordering_fields = ["name", "severity", "state", "created_at"]
    ordering = ["name"]
    no_such = "no_such_alert_rule"
    may: ClassVar[dict[str, str]] = {
        "list": permissions.VIEW_RULES,
        "create": permissions.ADD_RULES,
        "backtest": permissions.ADD_RULES,
        "update": permissions.CHANGE_RULES,
        "partial_update": permissions.CHANGE_RULES,
        "destroy": permissions.DELETE_RULES,
    }

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Names of all scopes of a page at once."""
        serializer = super().get_serializer(*args, **kwargs)
        if kwargs.get("many") and args:
            texts = {text for rule in args[0] for text in rule.scope}
            cast(Any, serializer).child.context["source_names"] = names_of(texts)
        return serializer

    @accepts(BacktestSerializer, BacktestResultSerializer)
    @action(detail=False, methods=["post"], filter_backends=[], pagination_class=None)
    def backtest(self, request: Request) -> Response:
        """How often a rule would have fired in the last days. Saves nothing."""
        body = BacktestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        days = body.validated_data["days"]
        found = backtest(body.rule, days)
        text = backtest_sentence(days, found.fired, found.seconds, found.resolution_s)
        shown = {**asdict(found), "message": text}
        return Response(BacktestResultSerializer(shown).data)

    def perform_create(self, serializer: BaseSerializer[AlertRule]) -> None:
        serializer.instance = create_rule(serializer.validated_data, self.request.user)

    def perform_update(self, serializer: BaseSerializer[AlertRule]) -> None:
        rule = cast(AlertRule, serializer.instance)
        update_rule(rule, serializer.validated_data, self.request.user)

    def perform_destroy(self, instance: AlertRule) -> None:
        delete_rule(instance, self.request.user)
