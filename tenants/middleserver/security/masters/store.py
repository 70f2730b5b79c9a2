"""Queries of packages and standings; nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from chukan.platform.database.tables import Tenant, TenantState
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.security.masters.rules import PackageHead, PackageKind, Publication
from chukan.tenants.middleserver.security.masters.tables import (
    MasterApplicationRow,
    MasterPackageRow,
    MasterRefusalRow,
    MasterStandingRow,
    Origin,
)

_HEAD = (
    MasterPackageRow.sequence,
    MasterPackageRow.version,
    MasterPackageRow.publication,
    MasterPackageRow.kind,
    MasterPackageRow.linkage_start,
    MasterPackageRow.published_at,
    MasterPackageRow.origin,
    MasterPackageRow.digest,
    MasterPackageRow.received_at,
)


@dataclass(frozen=True)
class Held:
    """A package that was taken in: its head, where it is from, its SHA-256, and when it came (UTC)."""

    head: PackageHead
    origin: Origin
    digest: bytes
    received_at: datetime


@dataclass(frozen=True)
class Standing:
    """How many organisations stand at a package; ``sequence`` is None for those that took none yet."""

    sequence: int | None
    organisations: int


def held(connection: Connection) -> Sequence[Held]:
    """Return all packages, in the order of their sequence, without their content."""
    return [_held(row) for row in connection.execute(select(*_HEAD).order_by(MasterPackageRow.sequence))]


def content(connection: Connection, sequence: int) -> tuple[Held, bytes] | None:
    """Return a package with its content."""
    query = select(*_HEAD, MasterPackageRow.content).where(MasterPackageRow.sequence == sequence)
    row = connection.execute(query).one_or_none()
    return (_held(row), bytes(row.content)) if row else None


def take_in(connection: Connection, head: PackageHead, origin: Origin, digest: bytes, told: bytes) -> bool:
    """Insert a package; False if somebody else took one of its sequence in meanwhile."""
    values = {
        "sequence": head.sequence,
        "version": head.version,
        "publication": head.publication.value,
        "kind": head.kind.value,
        "linkage_start": head.linkage_start,
        "published_at": head.published_at,
        "origin": origin.value,
        "digest": digest,
        "content": told,
    }
    taken = upsert(MasterPackageRow).values(values).on_conflict_do_nothing().returning(MasterPackageRow.sequence)
    return connection.execute(taken).one_or_none() is not None


def note_refusal(connection: Connection, sequence: int | None, digest: bytes, error: str) -> None:
    """Note that a package was refused; the same one for the same reason stands there once."""
    values = {"sequence": sequence, "digest": digest, "error": error}
    connection.execute(upsert(MasterRefusalRow).values(values).on_conflict_do_nothing())


def refusals(connection: Connection, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return sequence, error and instant of the newest refusals."""
    query = select(MasterRefusalRow.sequence, MasterRefusalRow.error, MasterRefusalRow.at)
    return connection.execute(query.order_by(MasterRefusalRow.at.desc()).limit(limit)).all()


def standing(connection: Connection, tenant: TenantId) -> int | None:
    """Return the package that is in force for *tenant*."""
    query = select(MasterStandingRow.sequence).where(MasterStandingRow.tenant == tenant)
    return connection.execute(query).scalar_one_or_none()


def advance(connection: Connection, tenant: TenantId, *, expected: int | None, to: int, actor: str) -> bool:
    """Move *tenant* from the package *expected* to *to*; False if it stands elsewhere by now."""
    if expected is None:
        first = upsert(MasterStandingRow).values(tenant=tenant, sequence=to).on_conflict_do_nothing()
        moved = connection.execute(first.returning(MasterStandingRow.tenant)).one_or_none()
    else:
        change = (
            update(MasterStandingRow)
            .where(MasterStandingRow.tenant == tenant, MasterStandingRow.sequence == expected)
            .values(sequence=to, applied_at=func.clock_timestamp())
        )
        moved = connection.execute(change.returning(MasterStandingRow.tenant)).one_or_none()
    if moved is None:
        return False
    connection.execute(insert(MasterApplicationRow).values(tenant=tenant, sequence=to, actor=actor))
    return True


def living(connection: Connection) -> Sequence[TenantId]:
    """Return the tenants that take masters: those that are active or suspended."""
    states = (TenantState.ACTIVE.value, TenantState.SUSPENDED.value)
    query = select(Tenant.id).where(Tenant.state.in_(states)).order_by(Tenant.id)
    return [TenantId(id_) for id_ in connection.execute(query).scalars()]


def standings(connection: Connection) -> Sequence[Standing]:
    """Return how many living tenants stand where, those without any package first."""
    states = (TenantState.ACTIVE.value, TenantState.SUSPENDED.value)
    query = (
        select(MasterStandingRow.sequence, func.count())
        .select_from(Tenant)
        .outerjoin(MasterStandingRow, MasterStandingRow.tenant == Tenant.id)
        .where(Tenant.state.in_(states))
        .group_by(MasterStandingRow.sequence)
        .order_by(MasterStandingRow.sequence.nulls_first())
    )
    return [Standing(sequence, count) for sequence, count in connection.execute(query)]


def _held(row: Row[*tuple[Any, ...]]) -> Held:
    head = PackageHead(
        sequence=row.sequence,
        version=row.version,
        publication=Publication(row.publication),
        kind=PackageKind(row.kind),
        linkage_start=row.linkage_start,
        published_at=row.published_at,
    )
    return Held(head, Origin(row.origin), bytes(row.digest), row.received_at)
