"""The registry as a command or a job opens it, closed when the work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chukan.platform.audit.actor import Actor, at_work
from chukan.platform.command_line import needs
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.identifiers import new_request_id
from chukan.platform.settings import Settings

#: For a command that only looks.
reads = needs("tenants:organisation:read")
#: For a command that registers or changes something.
changes = needs("tenants:organisation:change")


@contextmanager
def at_desk(settings: Settings) -> Iterator[Actor]:
    """Lend the registry to who runs the present command: operators' acts are the console's, here too.

    Raises:
        PermissionLacking: the operator who is logged in does not hold what the command declares.
    """
    with at_work(settings, ProcessKind.CONSOLE) as actor:
        yield actor


@contextmanager
def working(settings: Settings, *, actor: str) -> Iterator[Actor]:
    """Lend the registry to a job: under the worker's log-in, which moves states and nothing else."""
    with serving(settings.database), engine_of(settings.database, ProcessKind.WORKER) as engine:
        yield Actor(engine, actor, new_request_id())
