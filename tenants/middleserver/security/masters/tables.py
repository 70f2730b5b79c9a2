"""The packages that were received, and where each organisation stands (migration 0012)."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase, Tenant


class Origin(StrEnum):
    """Where a package comes from: signed by the network, or loaded by an operator from the files of a standard."""

    NETWORK = "network"
    OPERATOR = "operator"


class MasterPackageRow(SharedBase):
    """One package as it came; ``content`` is the signed text, or the bare document of an operator's own."""

    __tablename__ = "master_package"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str]
    publication: Mapped[str]
    kind: Mapped[str]
    linkage_start: Mapped[date]
    published_at: Mapped[datetime]
    origin: Mapped[str]
    digest: Mapped[bytes]
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class MasterRefusalRow(SharedBase):
    """A package that came and was not taken: why, never what it held."""

    __tablename__ = "master_refusal"
    __table_args__ = (UniqueConstraint("digest", "error", name="master_refusal_digest_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    sequence: Mapped[int | None]
    digest: Mapped[bytes]
    error: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class MasterStandingRow(SharedBase):
    """The package that is in force for an organisation."""

    __tablename__ = "master_standing"

    tenant: Mapped[UUID] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(ForeignKey(MasterPackageRow.sequence))
    applied_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class MasterApplicationRow(SharedBase):
    """That an organisation took a package: append only."""

    __tablename__ = "master_application"

    tenant: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    applied_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
