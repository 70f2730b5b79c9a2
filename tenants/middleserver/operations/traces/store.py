"""Queries of traces in the shared schema, and of what an organisation holds of one inquiry; nothing here commits.

Of an organisation's own schema instants, events and states are read: no person, no content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import Connection

from chukan.platform.database.engines import driver
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.transmission.receipts import told_at


@dataclass(frozen=True)
class Point:
    """One instant at one party: a change of state, a message that left or came, or what is recorded."""

    party: str
    kind: str
    at: datetime
    event: str
    said: str | None = None


@dataclass(frozen=True)
class Asked:
    """What somebody asked for: an organisation and a number. Instants are UTC."""

    id: UUID
    tenant: TenantId
    number: str


@dataclass(frozen=True)
class Trace:
    """What was asked for and what a worker found. Instants are UTC."""

    id: UUID
    tenant: TenantId
    organisation: str
    name: str
    number: str
    asked_by: str
    asked_at: datetime
    done_at: datetime | None
    outcome: str | None
    error: str | None
    serial: str | None
    serials: Sequence[str] | None
    inquirer: str | None
    provider: str | None
    inquirer_tenant: UUID | None
    provider_tenant: UUID | None
    inquirer_name: str | None
    provider_name: str | None
    network: str | None


# -- in the shared schema ----------------------------------------------------------------------------


def ask_trace(connection: Connection, tenant: TenantId, number: str, actor: str, request: str) -> UUID:
    """Write down what *actor* wants to know; return the trace's id."""
    row = driver(connection).execute(
        "insert into platform.inquiry_trace (tenant, number, asked_by, request) values (%s, %s, %s, %s) returning id",
        (tenant, number, actor, request),
    )
    found = row.fetchone()
    if found is None:
        raise RuntimeError("a row that was inserted has an id")
    made: UUID = found[0]
    return made


def waiting_traces(connection: Connection, limit: int) -> Sequence[Asked]:
    """Return what nobody has looked up yet, oldest first."""
    with driver(connection).cursor(row_factory=class_row(Asked)) as cursor:
        return cursor.execute(
            "select id, tenant, number from platform.inquiry_trace where done_at is null order by id limit %s", (limit,)
        ).fetchall()


def answer_trace(connection: Connection, trace: UUID, told: Mapping[str, Any], points: Sequence[Point]) -> bool:
    """Write down what was found; False if another worker has done so."""
    values = {
        name: told.get(name)
        for name in ("outcome", "error", "serial", "serials", "inquirer", "provider", "inquirer_tenant",
                     "provider_tenant", "network")
    }  # fmt: skip
    below = driver(connection)
    changed = below.execute(
        """
        update platform.inquiry_trace set done_at = clock_timestamp(), outcome = %(outcome)s, error = %(error)s,
            serial = %(serial)s, serials = %(serials)s, inquirer = %(inquirer)s, provider = %(provider)s,
            inquirer_tenant = %(inquirer_tenant)s, provider_tenant = %(provider_tenant)s, network = %(network)s
        where id = %(trace)s and done_at is null
        """,
        {**values, "trace": trace},
    )
    if not changed.rowcount:
        return False
    with below.cursor() as cursor:
        cursor.executemany(
            "insert into platform.inquiry_trace_point (trace, place, party, kind, at, event, said)"
            " values (%s, %s, %s, %s, %s, %s, %s)",
            [
                (trace, place, each.party, each.kind, each.at, each.event, each.said)
                for place, each in enumerate(sorted(points, key=lambda point: point.at))
            ],
        )
    return True


def forget_traces(connection: Connection, before: datetime) -> int:
    """Delete what was asked for before *before*; return how many."""
    return driver(connection).execute("delete from platform.inquiry_trace where asked_at < %s", (before,)).rowcount


_TRACE = """
    select t.id, t.tenant, coalesce(o.code, o.id::text, t.tenant::text) as organisation, coalesce(o.name, '') as name,
        t.number, t.asked_by, t.asked_at, t.done_at, t.outcome, t.error, t.serial, t.serials, t.inquirer, t.provider,
        t.inquirer_tenant, t.provider_tenant, i.name as inquirer_name, p.name as provider_name, t.network
    from platform.inquiry_trace t
    left join platform.organisation o on o.tenant = t.tenant
    left join platform.organisation i on i.tenant = t.inquirer_tenant
    left join platform.organisation p on p.tenant = t.provider_tenant
    where cast(%(trace)s as uuid) is null or t.id = %(trace)s
    order by t.id desc limit %(limit)s
"""


def traces(connection: Connection, limit: int) -> Sequence[Trace]:
    """Return what was asked for lately, the newest first."""
    with driver(connection).cursor(row_factory=class_row(Trace)) as cursor:
        return cursor.execute(_TRACE, {"trace": None, "limit": limit}).fetchall()


def trace_of(connection: Connection, trace: UUID) -> tuple[Trace, Sequence[Point]] | None:
    """Return one trace with its instants, oldest first; None if there is none."""
    below = driver(connection)
    with below.cursor(row_factory=class_row(Trace)) as cursor:
        found = cursor.execute(_TRACE, {"trace": trace, "limit": 1}).fetchone()
    if found is None:
        return None
    with below.cursor(row_factory=class_row(Point)) as points:
        return found, points.execute(
            "select party, kind, at, event, said from platform.inquiry_trace_point where trace = %s order by place",
            (trace,),
        ).fetchall()


# -- in an organisation's own schema -----------------------------------------------------------------


def of_inquirer(connection: Connection, serial: str) -> Sequence[Point]:
    """Return what happened to the inquiry *serial* at the organisation that asked."""
    rows = driver(connection).execute(
        "select i.id, e.at, e.event, e.state from inquiry i join inquiry_event e on e.inquiry = i.id"
        " where i.serial = %s order by e.id",
        (serial,),
    )
    found = rows.fetchall()
    points = [Point("inquirer", "state", at, event, state) for _, at, event, state in found]
    return [*points, *_messages(connection, "inquirer", {inquiry for inquiry, *_ in found})]


def of_provider(connection: Connection, inquirer: str, serial: str) -> Sequence[Point]:
    """Return what happened to the inquiry *serial* of *inquirer* at the organisation that was asked."""
    rows = driver(connection).execute(
        "select p.conv, e.at, e.event, e.state from provision p join provision_event e on e.provision = p.id"
        " where p.inquirer = %s and p.serial = %s order by e.id",
        (inquirer, serial),
    )
    found = rows.fetchall()
    points = [Point("provider", "state", at, event, state) for _, at, event, state in found]
    return [*points, *_messages(connection, "provider", {conversation for conversation, *_ in found})]


def _messages(connection: Connection, party: str, conversations: set[UUID]) -> list[Point]:
    """Return the messages of *conversations* as the party and the network had them."""
    below, wanted = driver(connection), list(conversations)
    found = []
    left = below.execute(
        """
        select o.type, o.state, o.queued_at, o.receipt, (
            select max(e.at) from outbox_event e where e.message = o.id and e.event = 'accepted'
        ) from outbox o where o.conv = any(%s) order by o.id
        """,
        (wanted,),
    )
    for kind, state, queued_at, receipt, accepted_at in left:
        found.append(Point(party, "out", queued_at, kind, "queued"))
        if receipt is not None:
            found.append(Point("network", "in", told_at(bytes(receipt)), kind, state))
        if accepted_at is not None:
            found.append(Point(party, "out", accepted_at, kind, "done"))
    came = below.execute(
        "select type, state, received_at from inbox where conv = any(%s) order by received_at, id", (wanted,)
    )
    found += [Point(party, "in", received_at, kind, state) for kind, state, received_at in came]
    return found
