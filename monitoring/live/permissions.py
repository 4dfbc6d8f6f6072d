"""Who may hear what: looked up for many sockets at once, when they open and again
every few seconds while they are open."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from models_app.models import ApiToken
from models_app.permissions import VIEW
from monitoring.live.publish import ACTIVITY, TOPICS

VIEW_ACTIVITY = "models_app.view_activity"
BACKEND = "django.contrib.auth.backends.ModelBackend"

Topics = frozenset[str]
NOTHING: Topics = frozenset()
# What everybody hears who may view models
OF_MODELS: Topics = frozenset(TOPICS) - {ACTIVITY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Either the key of a session, or the digest of a token."""

    session: str = ""
    token: str = ""


def topics_of(credentials: Collection[Credential]) -> dict[Credential, Topics]:
    """Five queries, however many. Who may hear nothing is left out."""
    users = _users(credentials)
    pks = set(users.values())
    may_view = _allowed(VIEW, pks)
    may_view_activity = _allowed(VIEW_ACTIVITY, pks)
    found = {}
    for credential, pk in users.items():
        heard = OF_MODELS if pk in may_view else NOTHING
        if pk in may_view_activity:
            heard |= {ACTIVITY}
        if heard:
            found[credential] = heard
    return found


def _allowed(permission: str, pks: Collection[int]) -> set[int]:
    able = User.objects.with_perm(permission, backend=BACKEND)
    return set(able.filter(pk__in=pks).values_list("pk", flat=True))


def _users(credentials: Collection[Credential]) -> dict[Credential, int]:
    sessions = _session_users([c.session for c in credentials if c.session])
    tokens = _token_users([c.token for c in credentials if c.token])
    of = chain(
        ((Credential(session=key), pk) for key, pk in sessions.items()),
        ((Credential(token=digest), pk) for digest, pk in tokens.items()),
    )
    return dict(of)


def _token_users(digests: Collection[str]) -> dict[str, int]:
    usable = Q(expiry=None) | Q(expiry__gt=timezone.now())
    rows = ApiToken.objects.filter(usable, digest__in=digests, user__is_active=True)
    # Those with scopes are for something else.
    return {row.digest: row.user_id for row in rows if not row.scopes}


def _session_users(keys: Collection[str]) -> dict[str, int]:
    """A session also ends with the password it began with, as on any page."""
    rows = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    data = {row.session_key: row.get_decoded() for row in rows}
    pks = {key: told.get(SESSION_KEY) for key, told in data.items()}
    users = User.objects.filter(is_active=True).in_bulk(set(pks.values()) - {None})
    found = {}
    for key, pk in pks.items():
        user = users.get(int(pk)) if pk else None
        if user and _began_with(user, data[key].get(HASH_SESSION_KEY, "")):
            found[key] = user.pk
    return found


def _began_with(user: User, known: str) -> bool:
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(known, h) for h in hashes)
