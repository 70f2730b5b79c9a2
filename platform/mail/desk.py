"""The outbox as a job opens it, under the worker's log-in, and the relay to the server that is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chukan.platform.audit.actor import Actor
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.identifiers import new_request_id
from chukan.platform.mail.adapters.smtp import SmtpServer
from chukan.platform.mail.relay import Relay, RelayPolicy
from chukan.platform.settings import Settings


@contextmanager
def worker(settings: Settings, *, actor: str) -> Iterator[Actor]:
    """Lend the worker's log-in to a job that acts as *actor*, with the database running.

    Raises:
        SecretMissing: this machine was not given the worker's password.
    """
    with serving(settings.database), engine_of(settings.database, ProcessKind.WORKER) as engine:
        yield Actor(engine, actor, new_request_id())


def relay_of(settings: Settings, actor: Actor) -> Relay:
    """Return the relay to the server that the settings name, working for *actor*."""
    return Relay(actor, SmtpServer(settings.mail), RelayPolicy.of(settings.mail))
