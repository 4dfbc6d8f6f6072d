"""Limits on the size and number of exports."""

from __future__ import annotations

from rest_framework.exceptions import APIException

from common.exceptions import Invalid
from common.messages import render
from common.problems import Problem

MAX_ROWS = 5_000_000
# A workbook is only complete at its end; this many rows take about 20 s.
MAX_XLSX_ROWS = 200_000


class TooManyExports(APIException):
    status_code = 429
    default_code = "too_many_exports"

    def __init__(self, allowed: int) -> None:
        super().__init__(render(self.default_code, {"max": allowed}))


def check_size(expected: int) -> None:
    if expected > MAX_ROWS:
        raise Invalid([_problem("export_too_large", expected, MAX_ROWS)])


def check_direct(format: str, expected: int) -> None:
    check_size(expected)
    if format == "xlsx" and expected > MAX_XLSX_ROWS:
        code = "export_needs_background"
        raise Invalid([_problem(code, expected, MAX_XLSX_ROWS)])


def _problem(code: str, expected: int, limit: int) -> Problem:
    return Problem(code=code, field="range", params={"value": expected, "max": limit})
