"""Answers in memory, those used last. Pure."""

from __future__ import annotations

from collections import OrderedDict

# Of an answer at most, so that one cannot push out all others
SHARE = 16
# What an answer takes beside its bytes
OVERHEAD_BYTES = 512


class AnswerStore:
    """now: seconds of a clock that only goes forward."""

    def __init__(self, max_bytes: int) -> None:
        self.max_answer_bytes = max_bytes // SHARE
        self.size_bytes = 0
        self._max_bytes = max_bytes
        self._answers: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: bytes, max_age_s: float, now: float) -> bytes | None:
        found = self._answers.get(key)
        if found is None:
            return None
        stored_at, answer = found
        if stored_at + max_age_s <= now:
            self._remove(key)
            return None
        self._answers.move_to_end(key)
        return answer

    def put(self, key: bytes, answer: bytes, now: float) -> None:
        """Drops those used least recently if there is no room."""
        if _size(answer) > self.max_answer_bytes:
            return
        if key in self._answers:
            self._remove(key)
        self._answers[key] = now, answer
        self.size_bytes += _size(answer)
        while self.size_bytes > self._max_bytes:
            self._remove(next(iter(self._answers)))

    def _remove(self, key: bytes) -> None:
        _, answer = self._answers.pop(key)
        self.size_bytes -= _size(answer)


def _size(answer: bytes) -> int:
    return len(answer) + OVERHEAD_BYTES
