"""REST API of notification channels and deliveries, for administrators."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ModelViewSet, ReadOnlyModelViewSet

from common import jobs
from monitoring.alerts import permissions
from monitoring.alerts.api import ById
from monitoring.alerts.delivery import channels, editing
from monitoring.alerts.delivery.serializers import (
    ChannelSerializer,
    DeliverySerializer,
    NewChannelSerializer,
    SecretSerializer,
)
from monitoring.alerts.filters import DeliveryFilter
from monitoring.alerts.models import Delivery, NotificationChannel


class NotificationChannels(ById, ModelViewSet[NotificationChannel]):
    queryset = NotificationChannel.objects.order_by("name")
    serializer_class = ChannelSerializer
    search_fields = ["name"]
    ordering_fields = ["name", "kind", "last_sent_at", "created_at"]
    ordering = ["name"]
    no_such = "no_such_channel"
    may: ClassVar[dict[str, str]] = {
        "list": permissions.VIEW_CHANNELS,
        "create": permissions.ADD_CHANNELS,
        "update": permissions.CHANGE_CHANNELS,
        "partial_update": permissions.CHANGE_CHANNELS,
        "test": permissions.CHANGE_CHANNELS,
        "rotate_secret": permissions.CHANGE_CHANNELS,
        "destroy": permissions.DELETE_CHANNELS,
    }

    @extend_schema(responses={201: NewChannelSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        body = self.get_serializer(data=request.data)
        body.is_valid(raise_exception=True)
        channel, secret = editing.create_channel(body.validated_data, request.user)
        shown = NewChannelSerializer(channel).data
        return Response({**shown, "secret": secret}, status=201)

    def perform_update(self, serializer: BaseSerializer[NotificationChannel]) -> None:
        channel = cast(NotificationChannel, serializer.instance)
        fields = serializer.validated_data
        editing.update_channel(channel, fields, self.request.user)

    def perform_destroy(self, instance: NotificationChannel) -> None:
        editing.delete_channel(instance, self.request.user)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, id: str) -> Response:
        """Sends a test message; `/api/alert-deliveries/{id}` shows what came of it. One
        at a time."""
        delivery = channels.submit_test(self.get_object(), request.user)
        return Response(DeliverySerializer(delivery).data, status=202)

    @extend_schema(request=None, responses=SecretSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, id: str) -> Response:
        """A new secret for a webhook. The old one signs as well for 24 hours."""
        secret = editing.rotate_secret(self.get_object(), request.user)
        return Response({"secret": secret})


class Deliveries(ById, ReadOnlyModelViewSet[Delivery]):
    queryset = Delivery.objects.select_related("channel").order_by("-pk")
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    ordering_fields = ["id", "finished_at"]
    ordering = ["-id"]
    no_such = "no_such_delivery"
    may: ClassVar[dict[str, str]] = {
        "list": permissions.VIEW_DELIVERIES,
        "retry": permissions.CHANGE_DELIVERIES,
    }

    @extend_schema(request=None, responses=DeliverySerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, id: str) -> Response:
        """Sends one again that has failed, with the same uid."""
        delivery = jobs.retry(self.get_object(), request.user)
        return Response(self.get_serializer(delivery).data)
