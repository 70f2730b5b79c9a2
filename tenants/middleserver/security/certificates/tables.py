"""An organisation's keys and their history, in its own schema (revision 0003); and what others may know (0012)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase, Tenant
from chukan.tenants.releases.schema import TenantBase


class OrgKeyRow(TenantBase):
    """One key: ``certificate`` is DER, ``private_key`` PKCS #8 DER sealed by the vault for the row's id.

    A key without a certificate was requested, and its answer has not come.
    """

    __tablename__ = "org_key"
    __table_args__ = (
        CheckConstraint("use in ('sign', 'enc')", name="use_known"),
        CheckConstraint("state in ('pending', 'active', 'retiring', 'retired', 'revoked')", name="state_known"),
        CheckConstraint(
            "num_nonnulls(kid, certificate, not_before, not_after) = 4"
            " or (num_nonnulls(kid, certificate, not_before, not_after) = 0 and state = 'pending')",
            name="certified",
        ),
        Index("org_key_one_each", "use", "state", unique=True, postgresql_where=text("state in ('pending', 'active')")),
        {"info": {"privileges": ("select", "insert", "update")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    use: Mapped[str]
    state: Mapped[str]
    kid: Mapped[str | None]
    certificate: Mapped[bytes | None] = mapped_column(LargeBinary)
    private_key: Mapped[bytes] = mapped_column(LargeBinary)
    not_before: Mapped[datetime | None]
    not_after: Mapped[datetime | None]
    requested_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class OrgKeyEventRow(TenantBase):
    """That a key came into a state, and why (append only)."""

    __tablename__ = "org_key_event"
    __table_args__ = (
        CheckConstraint("length(reason) <= 500", name="reason_short"),
        {"info": {"privileges": ("select", "insert")}},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    org_key: Mapped[UUID]
    at: Mapped[datetime]
    state: Mapped[str]
    reason: Mapped[str]


class CertificateProjectionRow(SharedBase):
    """What the console and the checks may know of a certificate; it holds no key and no content."""

    __tablename__ = "certificate_projection"

    tenant: Mapped[UUID] = mapped_column(ForeignKey(Tenant.id, ondelete="CASCADE"), primary_key=True)
    kid: Mapped[str] = mapped_column(primary_key=True)
    use: Mapped[str]
    state: Mapped[str]
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
