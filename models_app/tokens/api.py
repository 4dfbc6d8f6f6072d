"""The caller's own API tokens."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.mixins import DestroyModelMixin, ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED
from rest_framework.viewsets import GenericViewSet

from models_app.enums import TokenScope
from models_app.json_fields import JsonChoice, JsonInteger, JsonText, KnownFields
from models_app.models import ApiToken
from models_app.permissions import USE
from models_app.tokens.lifecycle import (
    MAX_DAYS,
    MAX_MODELS,
    NAME_LENGTH,
    create_token,
    delete_token,
    within,
)


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    prefix = serializers.CharField(
        source="token_key", help_text="How the token begins. Identifies it here."
    )
    scopes = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: everything the user may do."
    )
    models = serializers.ListField(
        child=serializers.CharField(),
        source="model_names",
        allow_null=True,
        help_text="Names of the models that its inference requests may use, also"
        " through aliases. Null: any.",
    )
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True)
    last_used_at = serializers.DateTimeField(
        allow_null=True, help_text="To the minute. Null: never."
    )
    expired = serializers.BooleanField(source="is_expired")

    class Meta:
        model = ApiToken
        fields: tuple[str, ...] = (
            "prefix", "name", "scopes", "models", "created_at", "expires_at", "expired",
            "last_used_at",
        )  # fmt: skip
        read_only_fields: tuple[str, ...] = fields


class NewTokenSerializer(KnownFields):
    name = JsonText(
        max_length=NAME_LENGTH, help_text="Identifies the token among the user's."
    )
    days = JsonInteger(
        min_value=1,
        max_value=MAX_DAYS,
        required=False,
        help_text="How long it is valid. API_TOKEN_DAYS if absent.",
    )
    scopes = serializers.ListField(
        child=JsonChoice(choices=TokenScope.values),
        required=False,
        help_text="Empty: everything the user may do.",
    )
    models = serializers.ListField(
        child=JsonText(),
        min_length=1,
        max_length=MAX_MODELS,
        required=False,
        allow_null=True,
        help_text="Names of the models that its inference requests may use, also"
        " through aliases. Null: any. If absent: as the token that creates it.",
    )


class CreatedTokenSerializer(TokenSerializer):
    token = serializers.CharField(
        help_text="The token itself. It is not stored and cannot be shown again."
    )

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "token")
        read_only_fields = fields


class TokenPermissions(IsAuthenticated):
    """Whoever may use models creates tokens for that."""

    def has_permission(self, request: Request, view: Any) -> bool:
        signed_in = super().has_permission(request, view)
        return signed_in and (view.action != "create" or request.user.has_perm(USE))


class Tokens(ListModelMixin, DestroyModelMixin, GenericViewSet[ApiToken]):
    """Everybody sees, creates and revokes their own tokens, and no others."""

    queryset = ApiToken.objects.none()
    serializer_class = TokenSerializer
    permission_classes = [TokenPermissions]
    lookup_field = "token_key"
    lookup_url_kwarg = "prefix"
    lookup_value_regex = "[A-Za-z0-9]+"

    def get_queryset(self) -> Any:
        user = cast(User, self.request.user)
        own: QuerySet[ApiToken] = ApiToken.objects.filter(user=user)
        own = own.prefetch_related("allowed_models")
        return own.order_by("-created", "digest")

    @extend_schema(request=NewTokenSerializer, responses={201: CreatedTokenSerializer})
    def create(self, request: Request) -> Response:
        """Create a token of one's own. A token creates none that allows more or lasts
        longer than itself."""
        wanted = NewTokenSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        user, fields = cast(User, request.user), wanted.validated_data
        if isinstance(request.auth, ApiToken):
            fields = within(request.auth, fields)
        made, secret = create_token(user, actor=user, **fields)
        made.token = secret
        return Response(CreatedTokenSerializer(made).data, status=HTTP_201_CREATED)

    def perform_destroy(self, instance: ApiToken) -> None:
        delete_token(instance, cast(User, self.request.user))
