"""What each end of a delegation declared."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase
from chukan.tenants.registry.tables import Organisation


class DelegationDeclaration(SharedBase):
    """One end's word on a delegation between two departments; another word of the same end ends it first."""

    __tablename__ = "delegation_declaration"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    delegator: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    delegator_department: Mapped[str]
    delegate: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    delegate_department: Mapped[str]
    declared_by: Mapped[str]
    extent: Mapped[str]
    affairs: Mapped[list[str]] = mapped_column(ARRAY(Text))
    since: Mapped[date]
    until: Mapped[date | None]
    declared_at: Mapped[datetime]
