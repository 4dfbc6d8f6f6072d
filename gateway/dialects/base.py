"""What a dialect hands to the relay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class ResponseTranslator(Protocol):
    """Turns an engine's response into the client's."""

    done: bool

    def translate_body(self, content: bytes) -> bytes:
        """Raises EngineRejectedError."""

    def passes(self, events: bytes) -> bool:
        """Whether whole events reach the client as they are. Not to find out is
        False."""

    def translate_event(self, event: bytes) -> bytes:
        """Zero, one or several events. Raises EngineRejectedError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """path and content: as sent to the engine. stream: whether the client wants a
    stream; engines stream in any case, see gateway.protocol.assembly.
    completions_per_prompt: OpenAI's n. is_deterministic: the engine would give the same
    answer again."""

    path: str
    content: bytes
    stream: bool
    translator: ResponseTranslator
    completions_per_prompt: int = 1
    content_type: str = "application/json"
    is_deterministic: bool = False
