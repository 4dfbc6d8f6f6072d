"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """name and level are codes; message and advice are for people."""

    name: str
    level: Level
    message: str
    advice: str = ""


def ok(name: str, message: str) -> Finding:
    return Finding(name=name, level=Level.OK, message=message)


def warning(name: str, message: str, advice: str) -> Finding:
    return Finding(name=name, level=Level.WARNING, message=message, advice=advice)


def error(name: str, message: str, advice: str) -> Finding:
    return Finding(name=name, level=Level.ERROR, message=message, advice=advice)


def start_roles() -> str:
    return _("Start the roles: ./scripts/deploy-source.sh production")
