"""The outbox as a command or a job opens it: under the worker's log-in, closed when the work is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.identifiers import new_request_id
from chukan.platform.mail.adapters.smtp import SmtpServer
from chukan.platform.mail.relay import Relay, RelayPolicy
from chukan.platform.mail.trail import Actor
from chukan.platform.settings import Settings


@contextmanager
def worker(settings: Settings, *, actor: str) -> Iterator[Actor]:
    """Lend the worker's log-in to *actor*, with the database running.

    Raises:
        SecretMissing: this machine was not given the worker's password.
    """
    with serving(settings.database):
        engine = process_engine(settings.database, ProcessKind.WORKER)
        try:
            yield Actor(engine, actor, new_request_id())
        finally:
            engine.dispose()


def relay_of(settings: Settings, actor: Actor) -> Relay:
    """Return the relay to the server that the settings name, working for *actor*."""
    return Relay(actor, SmtpServer(settings.mail), RelayPolicy.of(settings.mail))
