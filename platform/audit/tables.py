"""The trail's tables. Nobody writes to them but the functions of migration 0003."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase


class AuditChain(SharedBase):
    """The end of one chain: the row that an appender locks, and no other."""

    __tablename__ = "audit_chain"

    chain: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    head: Mapped[bytes]


class AuditEntryRow(SharedBase):
    """One entry as it was hashed."""

    __tablename__ = "audit_entry"

    chain: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    recorded_at: Mapped[datetime]
    login: Mapped[str]
    body: Mapped[str]
    prev: Mapped[bytes]
    hash: Mapped[bytes]


class AuditSeal(SharedBase):
    """One signed checkpoint; ``anchored_at`` is when the sink was known to hold it."""

    __tablename__ = "audit_seal"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    checkpoint: Mapped[str]
    anchored_at: Mapped[datetime | None]


class AuditSealLeaf(SharedBase):
    """One chain's head in one seal."""

    __tablename__ = "audit_seal_leaf"
    __table_args__ = (Index("audit_seal_leaf_newest", "chain", "seal"),)

    seal: Mapped[int] = mapped_column(ForeignKey(AuditSeal.number), primary_key=True)
    chain: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    head: Mapped[bytes]


class AuditSealer(SharedBase):
    """The one row whose lock is the right to seal."""

    __tablename__ = "audit_sealer"

    one: Mapped[bool] = mapped_column(primary_key=True)
