"""Ports, memory and GPUs against what there is. Pure but for the words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from common.messages import render
from runtimes.checks.finding import Finding, error, ok, warning
from runtimes.frameworks.base import Share
from runtimes.library.scanner.words import mib_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A GPU. why: it takes no models, in words; empty: it takes some. free_mib: None
    where the driver does not tell."""

    label: str
    node: str
    memory_mib: int
    free_mib: int | None
    why: str = ""

    def has(self, mib: int) -> bool:
        return not self.why and self.memory_mib >= mib

    def has_free(self, mib: int) -> bool:
        free = self.memory_mib if self.free_mib is None else self.free_mib
        return self.has(mib) and free >= mib


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """count GPUs, mib of each of them; needed_mib by the estimate, or by what its runs
    have taken. 0: not said."""

    count: int
    mib: int
    needed_mib: int


def port_finding(first: int, last: int, free: int, replicas: int) -> Finding:
    shown = {"first": first, "last": last, "free": free, "total": last - first + 1}
    message = _("%(free)s of %(total)s are free, %(first)s to %(last)s.") % shown
    if free >= replicas:
        return ok("port", message)
    advice = _("Set ENGINE_PORT_FIRST and ENGINE_PORT_LAST to a wider range.")
    return (warning if free else error)("port", message, advice)


def memory_finding(
    share: Share | None, taken_mib: int, given_mib: int, largest_mib: int
) -> Finding:
    """share: estimated, of the host. taken_mib: measured, 0 is not yet. largest_mib: of
    the machine that has most."""
    words, needed, least = [], taken_mib, taken_mib
    if share:
        words.append(_estimated(share))
        needed = max(needed, share.total_mib)
        least = max(least, share.total_mib - share.prompt_cache_mib)
    if taken_mib:
        taken = _("Its runs have taken up to %(taken)s.")
        words.append(taken % {"taken": mib_words(taken_mib)})
    message = " ".join([*words, _booked(given_mib, largest_mib)])
    if least > largest_mib:
        return error("memory", message, _smaller())
    if given_mib and needed > given_mib:
        advice = _("Give it %(needed)s MiB of memory.") % {"needed": needed}
        return warning("memory", message, advice)
    return ok("memory", message)


def gpus_finding(cards: Sequence[Card], wish: Wish) -> Finding:
    """cards: of all machines, those that the model may use."""
    node, here = _best(cards, max(wish.mib, 1))
    fitting = [card for card in here if card.has(max(wish.mib, 1))]
    if len(fitting) < wish.count:
        return error("gpus", _short_of(wish, node, here, len(fitting)), _other_gpus())
    given = _("%(count)s of %(labels)s on %(node)s") % {
        "count": wish.count,
        "labels": ", ".join(card.label for card in fitting),
        "node": node,
    }
    total, needed = wish.mib * wish.count, wish.needed_mib
    message = given
    if needed:
        message += "; " + _("needs %(needed)s, booked %(booked)s") % {
            "needed": mib_words(needed),
            "booked": mib_words(total),
        }
    sizes = sorted((card.memory_mib for card in fitting), reverse=True)
    if needed > sum(sizes[: wish.count]):
        return error("gpus", message, _smaller())
    if total and needed > total:
        advice = _("Give it %(needed)s MiB of GPU memory.") % {"needed": needed}
        return warning("gpus", message, advice)
    free = [card for card in fitting if card.has_free(max(wish.mib, 1))]
    if len(free) < wish.count:
        words = _short_of(wish, node, here, len(free))
        return warning("gpus", words, would_wait())
    return ok("gpus", message)


def would_wait() -> str:
    return _("It would wait until enough is free.")


def _best(cards: Iterable[Card], mib: int) -> tuple[str, list[Card]]:
    """The machine with most GPUs that have enough, by name among equals."""
    by_node: dict[str, list[Card]] = defaultdict(list)
    for card in cards:
        by_node[card.node].append(card)
    ranked = sorted(
        by_node.items(), key=lambda item: (-sum(c.has(mib) for c in item[1]), item[0])
    )
    return ranked[0] if ranked else ("", [])


def _short_of(wish: Wish, node: str, here: Sequence[Card], found: int) -> str:
    if not here:
        return _("Needs %(count)s GPUs; there are none it may use.") % {
            "count": wish.count
        }
    params = {"needed": wish.count, "mib": wish.mib, "node": node}
    words = render("insufficient_gpus", {**params, "free": found, "total": len(here)})
    closed = [f"{card.label}: {card.why}" for card in here if card.why]
    return " ".join([words, *closed])


def _booked(given_mib: int, largest_mib: int) -> str:
    words = _("Nothing is booked for it; the largest machine has %(most)s.")
    if given_mib:
        words = _("%(given)s are booked for it; the largest machine has %(most)s.")
    return words % {"given": mib_words(given_mib), "most": mib_words(largest_mib)}


def _estimated(share: Share) -> str:
    words = _(
        "Estimated %(total)s: weights %(weights)s, context %(context)s, the rest"
        " %(rest)s."
    )
    return words % {
        "total": mib_words(share.total_mib),
        "weights": mib_words(share.weights_mib),
        "context": mib_words(share.kv_cache_mib),
        "rest": mib_words(share.overhead_mib + share.prompt_cache_mib),
    }


def _smaller() -> str:
    return _("Lower n_ctx or n_parallel, or use a smaller quantisation or model.")


def _other_gpus() -> str:
    return _("Open a GPU on the machines page, or ask for fewer GPUs or less memory.")
