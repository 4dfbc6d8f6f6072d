import json
import sys
import time
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from runtimes.checks.doctor import examine
from runtimes.checks.finding import Finding, Level

PAUSE_S = 0.3


class Command(BaseCommand):
    help = "Check what the platform needs and report what to do. Ends with 1 on errors."
    requires_system_checks = ()  # they are among the findings

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")
        parser.add_argument(
            "--quiet", action="store_true", help="report only what is not ok"
        )
        parser.add_argument(
            "--wait", type=float, default=0, help="seconds to wait for all to be well"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings = _settled(options["wait"])
        shown = [f for f in findings if not options["quiet"] or f.level != Level.OK]
        if options["json"]:
            self.stdout.write(json.dumps([asdict(f) for f in shown], indent=2))
        else:
            self._say(shown)
        if _has_errors(findings):
            sys.exit(1)

    def _say(self, findings: list[Finding]) -> None:
        styles = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.ERROR: self.style.ERROR,
        }
        for finding in findings:
            level = styles[finding.level](f"{finding.level:<8}")
            line = f"{level}{finding.name}: {finding.message} {finding.advice}"
            self.stdout.write(line.rstrip())


def _settled(seconds: float) -> list[Finding]:
    deadline = time.monotonic() + seconds
    while _has_errors(findings := examine()) and time.monotonic() < deadline:
        time.sleep(PAUSE_S)
    return findings


def _has_errors(findings: list[Finding]) -> bool:
    return any(finding.level == Level.ERROR for finding in findings)
