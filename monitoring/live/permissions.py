"""Topics that users may receive, checked for many websockets at once."""

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

from models_app.enums import TokenScope
from models_app.models import ApiToken
from models_app.permissions import VIEW
from models_app.tokens.last_use import record_use
from models_app.tokens.scopes import allows
from monitoring.alerts.permissions import VIEW_ALERTS
from monitoring.live.publish import ACTIVITY, ALERTS, TOPICS

VIEW_ACTIVITY = "models_app.view_activity"
BACKEND = "django.contrib.auth.backends.ModelBackend"

Topics = frozenset[str]
NO_TOPICS: Topics = frozenset()
MODEL_TOPICS: Topics = frozenset(TOPICS) - {ACTIVITY, ALERTS}
OF_PERMISSION = {VIEW: MODEL_TOPICS, VIEW_ACTIVITY: {ACTIVITY}, VIEW_ALERTS: {ALERTS}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Either the key of a session, or the digest of a token."""

    session: str = ""
    token: str = ""


def allowed_topics(credentials: Collection[Credential]) -> dict[Credential, Topics]:
    """Takes six queries. Credentials without topics are left out."""
    users = users_of(credentials, TokenScope.READ)
    pks = set(users.values())
    topics: dict[int, Topics] = dict.fromkeys(pks, NO_TOPICS)
    for permission, given in OF_PERMISSION.items():
        for pk in _allowed(permission, pks):
            topics[pk] |= given
    return {one: topics[pk] for one, pk in users.items() if topics[pk]}


def topics_to_open(credential: Credential) -> Topics:
    """As allowed_topics(), for a websocket that is being opened."""
    topics = allowed_topics([credential]).get(credential, NO_TOPICS)
    if topics and credential.token:
        record_use(ApiToken.objects.filter(digest=credential.token))
    return topics


def _allowed(permission: str, pks: Collection[int]) -> set[int]:
    users = User.objects.with_perm(permission, backend=BACKEND)
    return set(users.filter(pk__in=pks).values_list("pk", flat=True))


def users_of(
    credentials: Collection[Credential], scope: str = ""
) -> dict[Credential, int]:
    """Primary keys of active users, by the credentials that are valid now. scope: what
    restricted tokens need; empty: nothing."""
    sessions = _session_users([c.session for c in credentials if c.session])
    tokens = _token_users([c.token for c in credentials if c.token], scope)
    users = chain(
        ((Credential(session=key), pk) for key, pk in sessions.items()),
        ((Credential(token=digest), pk) for digest, pk in tokens.items()),
    )
    return dict(users)


def _token_users(digests: Collection[str], scope: str) -> dict[str, int]:
    usable = Q(expiry=None) | Q(expiry__gt=timezone.now())
    rows = ApiToken.objects.filter(usable, digest__in=digests, user__is_active=True)
    return {
        row.digest: row.user_id
        for row in rows
        if not scope or allows(row.scopes, scope)
    }


def _session_users(keys: Collection[str]) -> dict[str, int]:
    """A session ends when its user's password changes, as on any page."""
    rows = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    data = {row.session_key: row.get_decoded() for row in rows}
    pks = {key: session.get(SESSION_KEY) for key, session in data.items()}
    users = User.objects.filter(is_active=True).in_bulk(set(pks.values()) - {None})
    valid = {}
    for key, pk in pks.items():
        user = users.get(int(pk)) if pk else None
        if user and _has_hash(user, data[key].get(HASH_SESSION_KEY, "")):
            valid[key] = user.pk
    return valid


def _has_hash(user: User, known: str) -> bool:
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(known, h) for h in hashes)
