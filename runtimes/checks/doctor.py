"""Is everything there that the platform needs, and what to do where it is not.

Each check examines one thing, changes nothing, and takes a few seconds at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from django.conf import settings
from django.core import checks as system_checks
from django.db import DatabaseError, connection
from django.db.migrations.exceptions import MigrationSchemaMissing
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _
from django_q.conf import Conf
from django_q.status import Stat

from common.broker import BrokerError, client
from runtimes.checks import docker
from runtimes.checks import machine as machine
from runtimes.checks.finding import Finding, error, ok, start_roles
from runtimes.models import Node

SEEN_WITHIN = timedelta(seconds=15)


def examine() -> list[Finding]:
    return [finding for check in CHECKS for finding in check()]


def configuration() -> Iterator[Finding]:
    found = [m for m in system_checks.run_checks() if m.level >= system_checks.ERROR]
    for message in found:
        text = f"{message.id}: {message.msg}"
        yield error("configuration", text, message.hint or "")
    if not found:
        yield ok("configuration", _("No errors."))


def database() -> Iterator[Finding]:
    try:
        executor = MigrationExecutor(connection)
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, MigrationSchemaMissing) as failure:
        yield error(
            "database",
            _("Unavailable: %(error)s") % {"error": failure},
            _("Check DATABASE_URL, and that the database server is running."),
        )
        return
    if pending:
        yield error(
            "database",
            _("Unapplied migrations: %(count)s.") % {"count": len(pending)},
            _("Run: ./manage.py migrate"),
        )
    else:
        yield ok("database", f"{connection.vendor}, {connection.settings_dict['NAME']}")


def broker() -> Iterator[Finding]:
    try:
        server = client().info("server")
    except BrokerError as failure:
        yield error(
            "broker",
            _("Does not respond: %(error)s") % {"error": failure},
            start_roles()
            if settings.EMBEDDED_BROKER
            else _("Check REDIS_URL, and that the Redis or Valkey server is running."),
        )
        return
    kind = _("embedded") if settings.EMBEDDED_BROKER else _("external")
    version = server.get("valkey_version", server["redis_version"])
    yield ok("broker", f"{kind}, {version}")


def worker() -> Iterator[Finding]:
    try:
        alive = [s for s in Stat.get_all() if s.status != Conf.STOPPED]
    except BrokerError:
        alive = []
    if alive:
        yield ok("worker", _("Running: %(count)s.") % {"count": len(alive)})
    else:
        yield error("worker", _("No task queue has reported."), start_roles())


def monitor() -> Iterator[Finding]:
    try:
        node = Node.objects.filter(name=settings.NODE_NAME).first()
    except DatabaseError:
        node = None
    if node is None:
        yield error("monitor", _("Has never reported."), start_roles())
    elif timezone.now() - node.seen_at > SEEN_WITHIN:
        at = f"{node.seen_at:%Y-%m-%d %H:%M:%S %Z}"
        yield error(
            "monitor", _("Last reported at %(at)s.") % {"at": at}, start_roles()
        )
    else:
        yield ok("monitor", _("Monitors %(node)s.") % {"node": node.name})


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    configuration,
    machine.secret_key,
    database,
    broker,
    machine.engines,
    machine.gpus,
    machine.isolation,
    docker.docker,
    machine.disk,
    machine.ports,
    worker,
    monitor,
)
