"""The registry as a command, a job or a check opens it, closed when the work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chukan.platform.accounts.actor import current_actor
from chukan.platform.accounts.permissions import Permission
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import Settings
from chukan.tenants.registry.trail import Actor


@contextmanager
def reading(settings: Settings) -> Iterator[Actor]:
    """Lend the registry to a command that only looks.

    Raises:
        PermissionLacking: the operator who is logged in may not see organisations.
    """
    with _opened(settings, Permission.ORGANISATION_READ) as actor:
        yield actor


@contextmanager
def changing(settings: Settings) -> Iterator[Actor]:
    """Lend the registry to a command that registers or changes something.

    Raises:
        PermissionLacking: the operator who is logged in may not change organisations.
    """
    with _opened(settings, Permission.ORGANISATION_CHANGE) as actor:
        yield actor


@contextmanager
def working(settings: Settings, *, actor: str) -> Iterator[Actor]:
    """Lend the registry to a job: under the worker's log-in, which moves states and nothing else."""
    with serving(settings.database), engine_of(settings.database, ProcessKind.WORKER) as engine:
        yield Actor(engine, actor, new_request_id())


@contextmanager
def _opened(settings: Settings, permission: Permission) -> Iterator[Actor]:
    # Operators' acts are the console's, on the command line too.
    with serving(settings.database), engine_of(settings.database, ProcessKind.CONSOLE) as engine:
        acting = current_actor(settings, engine)
        acting.require(permission)
        yield Actor(engine, acting.name, new_request_id())
