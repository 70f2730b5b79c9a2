"""The switch that stops the exchange of one organisation or of all, and lets it go on."""

from __future__ import annotations

from chukan.platform.audit.actor import Actor
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.transmission import shared_store
from chukan.tenants.middleserver.transmission.errors import AlreadyStopped, NotStopped
from chukan.tenants.middleserver.transmission.trail import TransmissionAction


class Switch:
    """Works in the shared schema alone, under the worker's log-in or the console's."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def stop(self, tenant: TenantId | None, *, reason: str) -> None:
        """Stop sending and taking messages, of one *tenant* or of all, until it is resumed.

        What is queued waits; what the network wants to deliver is not receipted, so that it comes again.

        Raises:
            AlreadyStopped: it is stopped already.
        """
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
