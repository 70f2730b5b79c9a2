"""Queries on declarations of delegations. They take a connection and never commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, insert, or_, select, update

from chukan.tenants.registry.delegations.rules import Declaration, End, Extent, Pair, Party
from chukan.tenants.registry.delegations.tables import DelegationDeclaration
from chukan.tenants.registry.rules import Span
from chukan.tenants.registry.values import Department


def insert_declaration(
    connection: Connection,
    pair: Pair,
    by: End,
    extent: Extent,
    *,
    affairs: Sequence[str],
    span: Span,
    now: datetime,
) -> UUID:
    """Add a declaration and return its id."""
    values = {
        "delegator": pair.delegator.organisation,
        "delegator_department": pair.delegator.department.value,
        "delegate": pair.delegate.organisation,
        "delegate_department": pair.delegate.department.value,
        "declared_by": by.value,
        "extent": extent.value,
        "affairs": list(affairs),
        "since": span.since,
        "until": span.until,
        "declared_at": now,
    }
    statement = insert(DelegationDeclaration).values(**values).returning(DelegationDeclaration.id)
    return connection.execute(statement).scalar_one()


def declarations(connection: Connection, organisation: UUID | None = None) -> Sequence[Declaration]:
    """Return all declarations, or those in which *organisation* is an end, the oldest first."""
    query = select(DelegationDeclaration.__table__).order_by(DelegationDeclaration.id)
    if organisation is not None:
        ends = (DelegationDeclaration.delegator == organisation, DelegationDeclaration.delegate == organisation)
        query = query.where(or_(*ends))
    return [_declaration(row) for row in connection.execute(query)]


def end_declaration(connection: Connection, id_: UUID, until: date) -> bool:
    """Let a declaration end before *until*; False where it does not hold on the day before."""
    holds = (
        DelegationDeclaration.id == id_,
        DelegationDeclaration.since <= until,
        or_(DelegationDeclaration.until.is_(None), DelegationDeclaration.until > until),
    )
    return connection.execute(update(DelegationDeclaration).where(*holds).values(until=until)).rowcount == 1


def _declaration(row: Row[Any]) -> Declaration:
    delegator = Party(row.delegator, Department(row.delegator_department))
    delegate = Party(row.delegate, Department(row.delegate_department))
    span = Span(row.since, row.until)
    pair = Pair(delegator, delegate)
    return Declaration(row.id, pair, End(row.declared_by), Extent(row.extent), frozenset(row.affairs), span)
