"""Serializer fields that take the JSON type of the schema, and nothing that could be
converted to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NoReturn

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.exceptions import Invalid
from common.messages import render
from common.problems import Problem, as_json, out_of_range, unknown_fields, wrong_type


class WholeNumber(serializers.IntegerField):
    """Also for query parameters. Its errors show the value and the allowed range."""

    def to_internal_value(self, data: Any) -> int:
        name = self.field_name or ""
        try:
            number = super().to_internal_value(data)
        except serializers.ValidationError:
            raise _error(wrong_type(name, data, "integer")) from None
        low, high = self.min_value, self.max_value
        if low is not None and high is not None and not low <= number <= high:
            raise _error(out_of_range(name, number, low, high))
        return number


class JsonInteger(WholeNumber):
    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str):
            raise _error(wrong_type(self.field_name or "", data, "integer"))
        return super().to_internal_value(data)


class JsonText(serializers.CharField):
    def __init__(self, **options: Any) -> None:
        if not options.get("allow_blank"):
            options.setdefault("min_length", 1)  # part of the schema
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


PRICE = "^[0-9]{1,6}([.][0-9]{1,4})?$"


@extend_schema_field({"type": "string", "format": "decimal", "pattern": PRICE})
class JsonPrice(serializers.DecimalField):
    """As text: a JSON number may have lost digits."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        if data == "":
            self.fail("invalid")
        return super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, str) or not re.fullmatch(PRICE, data):
            self.fail("invalid")
        return super().to_internal_value(data)


class JsonFlag(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class JsonChoice(serializers.ChoiceField):
    """Its error shows the value, and what is allowed."""

    default_error_messages = {
        "invalid_choice": _("{input} is not allowed. Allowed values: {allowed}.")
    }

    def fail(self, key: str, **values: Any) -> NoReturn:
        allowed = ", ".join(str(choice) for choice in self.choices if choice != "")
        values["input"] = as_json(values.get("input"))
        super().fail(key, allowed=allowed, **values)


# Refuses fields that it does not have: a misspelled one would have no effect. (A
# docstring would become the description of every serializer in the schema.)
class KnownFields(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        names = data if isinstance(data, dict) else {}
        if found := list(unknown_fields(names, list(self.fields))):
            raise Invalid(found) if self.parent is None else _of_fields(found)
        return super().to_internal_value(data)


def _of_fields(problems: Iterable[Problem]) -> serializers.ValidationError:
    """The outer serializer puts its own field's name before those of the problems."""
    return serializers.ValidationError(
        {problem.field: _error(problem).detail for problem in problems}
    )


def _error(problem: Problem) -> serializers.ValidationError:
    return serializers.ValidationError(
        render(problem.code, problem.params), code=problem.code
    )
