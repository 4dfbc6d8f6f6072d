"""Cleans lines of an engine's log for display: removes colours, control characters and
secrets, and cuts long lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

LONGEST_LINE = 8192  # characters
HIDDEN = "***"
CUT = " …"
ESCAPE = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # colours, moves of the cursor
    r"|[\]P^_X][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links and other strings
    r"|[ -/]+[0-~]|[0-~]"
    r")"
)
# Also marks that change the direction of text, and line ends of Unicode.
CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


class Cleaner:
    """Takes a log in chunks. secrets: texts to hide. longest: characters of a line; the
    rest is cut off. None: no limit."""

    def __init__(
        self, secrets: Iterable[str] = (), longest: int | None = LONGEST_LINE
    ) -> None:
        self.secrets = [secret.encode() for secret in secrets if secret]
        self.longest = longest
        self._pending = b""

    def feed(self, data: bytes) -> list[str]:
        """Lines that are now complete."""
        whole, newline, self._pending = self._hide(self._pending + data).rpartition(
            b"\n"
        )
        if self.longest is not None:
            # Bounded, and longer than any line with its colours
            self._pending = self._pending[: 8 * self.longest]
        return list(self._lines(whole)) if newline else []

    @property
    def partial(self) -> str:
        """The line that is not complete yet."""
        return next(self._lines(self._pending))

    def end(self) -> list[str]:
        """The incomplete line, once the log has ended."""
        left = self.partial
        self._pending = b""
        return [left] if left else []

    def _hide(self, data: bytes) -> bytes:
        for secret in self.secrets:
            data = data.replace(secret, HIDDEN.encode())
        return data

    def _lines(self, data: bytes) -> Iterator[str]:
        text = CONTROL.sub("", ESCAPE.sub("", data.decode(errors="replace")))
        for line in text.split("\n"):
            yield self._cut(_last_state(line) if "\r" in line else line)

    def _cut(self, line: str) -> str:
        too_long = self.longest is not None and len(line) > self.longest
        return line[: self.longest] + CUT if too_long else line


def _last_state(line: str) -> str:
    """Progress bars rewrite their line after a carriage return."""
    states = reversed(line.split("\r"))
    return next((state for state in states if state.strip()), "")


def clean(text: str, secrets: Iterable[str] = ()) -> str:
    """For a complete text."""
    cleaner = Cleaner(secrets)
    lines = cleaner.feed(text.encode(errors="replace"))
    complete = bool(lines) and not cleaner.partial
    return "\n".join([*lines, *cleaner.end()]) + ("\n" if complete else "")
