"""The switch that stops the exchange of one organisation or of all, and lets it go on."""

from __future__ import annotations

from sqlalchemy import Engine

from chukan.platform.audit.actor import Actor
from chukan.platform.database.engines import reading
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.transmission import shared_store
from chukan.tenants.middleserver.transmission.errors import (
    AlreadyStopped,
    NotStopped,
    StoppedByOperators,
    StopReasonMalformed,
)
from chukan.tenants.middleserver.transmission.shared_store import Stop
from chukan.tenants.middleserver.transmission.trail import TransmissionAction

#: Characters of a reason.
MOST_REASON = 500


class Stops:
    """Whether the exchange of an organisation is stopped by the operators, as it stands at each question."""

    def __init__(self, engine: Engine) -> None:
        """Ask under the log-in of *engine*."""
        self._engine = reading(engine)

    def in_force(self, tenant: TenantId) -> Stop | None:
        """Return the stop that holds for *tenant*, its own before that of all; None: the exchange goes on."""
        with self._engine.connect() as connection:
            return shared_store.stopped(connection, tenant)

    def require_going(self, tenant: TenantId) -> None:
        """Let pass what would begin an exchange of *tenant*.

        Raises:
            StoppedByOperators: with the reason, in the operator's words.
        """
        if (stop := self.in_force(tenant)) is not None:
            raise StoppedByOperators(stop.reason, stop.stopped_at)


class Switch:
    """Works in the shared schema alone, under the worker's log-in or the console's."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def stop(self, tenant: TenantId | None, *, reason: str) -> None:
        """Stop sending and taking messages, of one *tenant* or of all, until it is resumed.

        What is queued waits; what the network wants to deliver is not receipted, so that it comes again. Systems that
        ask for something new are refused with *reason*.

        Raises:
            AlreadyStopped: it is stopped already.
            StopReasonMalformed: *reason* is no line of 1 to 500 characters.
        """
        if not 0 < len(reason.strip()) <= len(reason) <= MOST_REASON or not reason.isprintable():
            raise StopReasonMalformed(most=MOST_REASON)
        with self._actor.act(TransmissionAction.STOP, _subject(tenant), reason=reason) as unit:
            if not shared_store.stop(unit.connection, tenant, reason=reason, actor=self._actor.name):
                raise AlreadyStopped

    def resume(self, tenant: TenantId | None) -> None:
        """Let the exchange go on.

        Raises:
            NotStopped: it is not stopped; or only by a stop of all, or only by its own.
        """
        with self._actor.act(TransmissionAction.RESUME, _subject(tenant)) as unit:
            if not shared_store.resume(unit.connection, tenant, actor=self._actor.name):
                raise NotStopped


def _subject(tenant: TenantId | None) -> str:
    return f"tenant:{tenant}" if tenant is not None else "exchange:all"
