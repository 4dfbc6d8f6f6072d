"""The caller's own API tokens."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.mixins import DestroyModelMixin, ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.viewsets import GenericViewSet

from models_app.models import ApiToken
from models_app.tokens.lifecycle import delete_token


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    prefix = serializers.CharField(
        source="token_key", help_text="How the token begins. Identifies it here."
    )
    scopes = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: everything the user may do."
    )
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True)
    expired = serializers.BooleanField(source="is_expired")

    class Meta:
        model = ApiToken
        fields = read_only_fields = (
            "prefix", "name", "scopes", "created_at", "expires_at", "expired",
        )  # fmt: skip


class Tokens(ListModelMixin, DestroyModelMixin, GenericViewSet[ApiToken]):
    """Everybody sees and revokes their own tokens, and no others."""

    queryset = ApiToken.objects.none()
    serializer_class = TokenSerializer
    permission_classes = [IsAuthenticated]
    lookup_field = "token_key"
    lookup_url_kwarg = "prefix"
    lookup_value_regex = "[A-Za-z0-9]+"

    def get_queryset(self) -> Any:
        user = cast(User, self.request.user)
        own: QuerySet[ApiToken] = ApiToken.objects.filter(user=user)
        return own.order_by("-created", "digest")

    def perform_destroy(self, instance: ApiToken) -> None:
        delete_token(instance, cast(User, self.request.user))
