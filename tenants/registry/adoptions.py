"""Which optional interfaces an organisation uses: new ones cost it budget and a change (A0-101)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, insert, or_, select, update

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.tenants.registry import store
from chukan.tenants.registry.errors import OrganisationRefused
from chukan.tenants.registry.rules import Span, interface_id
from chukan.tenants.registry.store import subject_of
from chukan.tenants.registry.tables import InterfaceAdoption
from chukan.tenants.registry.trail import RegistryAction


def adopt(actor: Actor, reference: str, interface: str, *, on: date, now: datetime) -> None:
    """Note that an organisation uses *interface* from the day *on*.

    Raises:
        OrganisationRefused: it is no interface id, or the organisation uses it already on a day from *on*.
    Source: A0-101.
    """
    name = interface_id(interface)
    with actor.act(RegistryAction.ADOPT, subject_of(reference), interface=name, since=str(on)) as unit:
        organisation = store.get(unit.connection, reference, as_tokyo(now).date(), lock=True)
        if any(span.overlaps(Span(on)) for span in _spans(unit.connection, organisation.id, name)):
            reason = text("it uses {interface} already", interface=name)
            raise OrganisationRefused(organisation=organisation.reference, reason=reason)
        values = {"organisation": organisation.id, "interface": name, "since": on}
        unit.connection.execute(insert(InterfaceAdoption).values(**values))


def drop(actor: Actor, reference: str, interface: str, *, on: date, now: datetime) -> None:
    """Note that an organisation uses *interface* no longer from the day *on*.

    Raises:
        OrganisationRefused: it does not use it.
    Source: A0-101.
    """
    name = interface_id(interface)
    with actor.act(RegistryAction.ADOPT, subject_of(reference), interface=name, until=str(on)) as unit:
        organisation = store.get(unit.connection, reference, as_tokyo(now).date(), lock=True)
        mine = (InterfaceAdoption.organisation == organisation.id, InterfaceAdoption.interface == name)
        current = (InterfaceAdoption.until.is_(None), InterfaceAdoption.since <= on)
        if unit.connection.execute(update(InterfaceAdoption).where(*mine, *current).values(until=on)).rowcount == 0:
            reason = text("it does not use {interface}", interface=name)
            raise OrganisationRefused(organisation=organisation.reference, reason=reason)


def adopted(connection: Connection, organisation: UUID, day: date) -> Sequence[str]:
    """Return the optional interfaces that an organisation uses on *day*. Source: A0-101."""
    query = select(InterfaceAdoption.interface).where(
        InterfaceAdoption.organisation == organisation,
        InterfaceAdoption.since <= day,
        or_(InterfaceAdoption.until.is_(None), InterfaceAdoption.until > day),
    )
    return connection.execute(query.order_by(InterfaceAdoption.interface)).scalars().all()


def _spans(connection: Connection, organisation: UUID, interface: str) -> Sequence[Span]:
    query = select(InterfaceAdoption.since, InterfaceAdoption.until).where(
        InterfaceAdoption.organisation == organisation, InterfaceAdoption.interface == interface
    )
    return [Span(row.since, row.until) for row in connection.execute(query)]
