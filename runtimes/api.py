"""Preflight and estimate of a model that is not saved or started yet."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from models_app.editing import with_changes
from models_app.models import ServedModel
from models_app.serializers import (
    DraftSerializer,
    UncheckedDraftSerializer,
    parse_draft,
)
from runtimes.checks.finding import Finding, Level
from runtimes.preflight.report import is_ok, preflight
from runtimes.preflight.subjects import SUBJECTS
from runtimes.serializers import SizingSerializer
from runtimes.sizing import sizing


class FindingSerializer(serializers.Serializer[Finding]):
    name = serializers.ChoiceField(choices=SUBJECTS)
    level = serializers.ChoiceField(choices=[str(level) for level in Level])
    message = serializers.CharField()
    advice = serializers.CharField(help_text="What to do; empty where all is well.")


class PreflightSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="No error among the findings.")
    findings = FindingSerializer(many=True)


class Drafts(GenericViewSet[ServedModel]):
    queryset = ServedModel.objects.all()
    serializer_class = DraftSerializer

    @extend_schema(
        operation_id="models_preflight",
        request=DraftSerializer,
        responses=PreflightSerializer,
    )
    @action(detail=False, methods=["post"], pagination_class=None, filter_backends=[])
    def preflight(self, request: Request) -> Response:
        """Would it start here, and if not, what to do."""
        context = self.get_serializer_context()
        found = preflight(
            with_changes(*parse_draft(UncheckedDraftSerializer, request.data, context)),
            request.user,
        )
        report = {"ok": is_ok(found), "findings": found}
        return Response(PreflightSerializer(report).data)

    @extend_schema(
        operation_id="models_estimate",
        request=DraftSerializer,
        responses=SizingSerializer,
    )
    @action(detail=False, methods=["post"], pagination_class=None, filter_backends=[])
    def estimate(self, request: Request) -> Response:
        """How much memory it would take, and what its runs have taken so far."""
        context = self.get_serializer_context()
        draft = with_changes(
            *parse_draft(UncheckedDraftSerializer, request.data, context)
        )
        return Response(SizingSerializer(sizing(draft)).data)
