"""Limits as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.exceptions import Invalid
from common.messages import render
from common.problems import Problem, shorten, wrong_type
from common.storable import has_unstorable
from models_app.json_fields import JsonInteger, KnownFields
from models_app.limits.models import RANGES, SUBJECTS, Limit
from models_app.limits.validation import problems
from models_app.models import ApiToken, ServedModel


@extend_schema_field(OpenApiTypes.STR)
class SubjectField(serializers.Field[Any, Any, Any, Any]):
    """The name of a row. Raises Invalid no_such_subject."""

    def __init__(self, rows: type[Model], column: str, **options: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, **options})
        self.rows, self.column = rows, column

    def to_internal_value(self, data: Any) -> Model:
        name = self.field_name or ""
        if not isinstance(data, str):
            raise _error(wrong_type(name, data, "string"))
        found = None
        if not has_unstorable(data):
            found = self.rows._default_manager.filter(**{self.column: data}).first()
        if found is None:
            params = {"key": name, "value": shorten(data)}
            raise _error(Problem(code="no_such_subject", field=name, params=params))
        return found

    def to_representation(self, value: Any) -> str:
        return str(getattr(value, self.column))


def _number(name: str, help_text: str = "") -> JsonInteger:
    low, high = RANGES[name]
    return JsonInteger(
        min_value=low, max_value=high, required=False, allow_null=True,
        help_text=help_text or "Null: not limited.",
    )  # fmt: skip


class LimitSerializer(KnownFields, serializers.ModelSerializer[Limit]):
    subject = serializers.ChoiceField(choices=list(SUBJECTS), read_only=True)
    token = SubjectField(
        ApiToken, "token_key", help_text="Prefix of a token, as in `/api/tokens`."
    )
    user = SubjectField(User, "username", help_text="All tokens of a user together.")
    group = SubjectField(Group, "name", help_text="All its members together.")
    model = SubjectField(ServedModel, "name", help_text="All its callers together.")
    requests_per_minute = _number("requests_per_minute")
    tokens_per_minute = _number("tokens_per_minute")
    tokens_per_day = _number("tokens_per_day")
    tokens_per_month = _number("tokens_per_month")
    max_in_flight = _number(
        "max_in_flight", "Requests at a time. Null: not limited. A list of prompts and"
        " `n` count as that many.",
    )  # fmt: skip
    queue_length = _number(
        "queue_length", "Of a model: requests that wait for one of its places. Null:"
        " they are rejected instead.",
    )  # fmt: skip
    queue_wait_s = _number(
        "queue_wait_s", "Of a model: the longest wait in its queue. Null: 60 s."
    )
    priority = _number(
        "priority", "In the queues of models; 10 is served first. Not for models."
        " Null: 5.",
    )  # fmt: skip
    weight = _number(
        "weight", "Share in the queues of models among equal priorities. Not for"
        " models. Null: 1.",
    )  # fmt: skip

    class Meta:
        model = Limit
        fields = ("id", "subject", *SUBJECTS, *RANGES, "created_at", "updated_at")
        read_only_fields = ("created_at", "updated_at")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        instance = self.instance if isinstance(self.instance, Limit) else None
        if found := problems(attrs, instance=instance):
            raise Invalid(found)
        return attrs


def _error(problem: Problem) -> serializers.ValidationError:
    return serializers.ValidationError(
        render(problem.code, problem.params), code=problem.code
    )
