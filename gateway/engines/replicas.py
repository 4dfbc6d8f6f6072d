"""Which replica of a model serves a request. Pure.

The one with the fewest requests in flight; among equals the one that served the same
session or the same beginning of a prompt before, whose cache may still have it. One
that fails again and again gets nothing for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import islice

from gateway.routes.table import Replica

# Headers and fields that name a session, in order; without one, the prompt decides.
SESSION_HEADER = b"x-session-id"
SESSION_FIELDS = ("prompt_cache_key", "user", "safety_identifier")
PREFIX_MESSAGES, PREFIX_CHARACTERS = 2, 512
FAILURES = 3
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
FORGOTTEN_AFTER_S = 600.0


def affinity_of(headers: Mapping[bytes, bytes], body: Mapping[str, object]) -> str:
    """What requests have in common that should reach the same replica; empty where
    nothing is known."""
    return session_of(headers, body) or _prefix(body)


def session_of(headers: Mapping[bytes, bytes], body: Mapping[str, object]) -> str:
    """What the client names its session or user; empty if it does not."""
    if session := headers.get(SESSION_HEADER):
        return session.decode("latin-1")
    for name in SESSION_FIELDS:
        if isinstance(value := body.get(name), str) and value:
            return value
    return ""


def _prefix(body: Mapping[str, object]) -> str:
    prompt, messages = body.get("prompt"), body.get("messages")
    if isinstance(prompt, str):
        return prompt[:PREFIX_CHARACTERS]
    if isinstance(messages, list):
        first = islice(messages, PREFIX_MESSAGES)
        texts = (each.get("content") for each in first if isinstance(each, dict))
        return "\n".join(t[:PREFIX_CHARACTERS] for t in texts if isinstance(t, str))
    return ""


def choose(
    replicas: Sequence[Replica], in_flight: Mapping[str, int], affinity: str, turn: int
) -> Replica:
    """turn: of requests that have nothing in common with others. Rendezvous hashing
    keeps most sessions where they are when replicas come and go."""
    fewest = min(in_flight.get(replica.run_uid, 0) for replica in replicas)
    equal = [r for r in replicas if in_flight.get(r.run_uid, 0) == fewest]
    if not affinity:
        return equal[turn % len(equal)]
    return max(equal, key=lambda replica: _weight(affinity, replica))


def _weight(affinity: str, replica: Replica) -> bytes:
    text = f"{affinity}\n{replica.run_uid}"
    return blake2b(text.encode(errors="replace"), digest_size=8).digest()


class Ejections:
    """Replicas out of rotation. now: seconds of a clock that only goes forward."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._failed_at: dict[str, float] = {}
        self._until: dict[str, float] = {}

    def in_rotation(self, replicas: Sequence[Replica], now: float) -> list[Replica]:
        """All of them if none is left: a bad replica is better than none."""
        if not self._until:
            return list(replicas)
        kept = [r for r in replicas if self._until.get(r.run_uid, 0.0) <= now]
        return kept or list(replicas)

    def record_success(self, uid: str) -> None:
        if uid in self._failures:
            self._forget(uid)

    def record_failure(self, uid: str, now: float) -> None:
        """After a pause, a single failure begins the next one, twice as long."""
        self._forget_old(now)
        self._failed_at[uid] = now
        count = self._failures[uid] = self._failures.get(uid, 0) + 1
        if count >= FAILURES:
            doublings = min(count - FAILURES, 10)
            pause = min(FIRST_PAUSE_S * 2**doublings, LONGEST_PAUSE_S)
            self._until[uid] = now + pause

    def _forget_old(self, now: float) -> None:
        """Most of them are of runs that have ended."""
        for uid, at in [*self._failed_at.items()]:
            if at < now - FORGOTTEN_AFTER_S:
                self._forget(uid)

    def _forget(self, uid: str) -> None:
        del self._failures[uid], self._failed_at[uid]
        self._until.pop(uid, None)
