"""Sizes of a model compared with its estimate, its runs and the largest machine."""

from __future__ import annotations

from django.utils.translation import gettext as _

from runtimes.checks.finding import Finding, error, ok, warning
from runtimes.frameworks.base import Share
from runtimes.library.scanner.units import format_mib


def port_finding(first: int, last: int, free: int, replicas: int) -> Finding:
    params = {"first": first, "last": last, "free": free, "total": last - first + 1}
    message = (
        _("%(free)s of %(total)s ports from %(first)s to %(last)s are free.") % params
    )
    if free >= replicas:
        return ok("port", message)
    advice = _("Set ENGINE_PORT_FIRST and ENGINE_PORT_LAST to a wider range.")
    return (warning if free else error)("port", message, advice)


def memory_finding(
    share: Share | None, taken_mib: int, given_mib: int, largest_mib: int
) -> Finding:
    """share: the estimate of host memory. taken_mib: measured, 0 if unknown.
    largest_mib: of the largest machine."""
    parts, needed, least = [], taken_mib, taken_mib
    if share:
        parts.append(_estimated(share))
        needed = max(needed, share.total_mib)
        least = max(least, share.total_mib - share.prompt_cache_mib)
    if taken_mib:
        taken = _("Its runs have used up to %(taken)s.")
        parts.append(taken % {"taken": format_mib(taken_mib)})
    message = " ".join([*parts, _booked(given_mib, largest_mib)])
    if least > largest_mib:
        return error("memory", message, _smaller())
    if given_mib and needed > given_mib:
        advice = _("Set its memory to %(needed)s MiB.") % {"needed": needed}
        return warning("memory", message, advice)
    return ok("memory", message)


def gpu_memory_finding(
    count: int, booked_mib: int, needed_mib: int, largest_mib: int
) -> Finding:
    """needed_mib: on all of its GPUs, estimated or measured; 0 if unknown. largest_mib:
    of the largest GPU."""
    message = _("GPUs: %(count)s") % {"count": count}
    if needed_mib:
        message += "; " + _("needs %(needed)s, allocated %(booked)s") % {
            "needed": format_mib(needed_mib),
            "booked": format_mib(booked_mib),
        }
    if needed_mib > largest_mib * count:
        return error("gpus", message, _smaller())
    if booked_mib and needed_mib > booked_mib:
        advice = _("Set its GPU memory to %(needed)s MiB.") % {"needed": needed_mib}
        return warning("gpus", message, advice)
    return ok("gpus", message)


def _booked(given_mib: int, largest_mib: int) -> str:
    text = _("No memory is allocated to it; the largest machine has %(most)s.")
    if given_mib:
        text = _("%(given)s are allocated to it; the largest machine has %(most)s.")
    return text % {"given": format_mib(given_mib), "most": format_mib(largest_mib)}


def _estimated(share: Share) -> str:
    text = _(
        "Estimated %(total)s: weights %(weights)s, context %(context)s, other %(rest)s."
    )
    return text % {
        "total": format_mib(share.total_mib),
        "weights": format_mib(share.weights_mib),
        "context": format_mib(share.kv_cache_mib),
        "rest": format_mib(share.overhead_mib + share.prompt_cache_mib),
    }


def _smaller() -> str:
    return _(
        "Use a smaller context, fewer requests at once, or a smaller quantisation or"
        " model."
    )
