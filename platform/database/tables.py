"""The tenants' placement: which cluster, site, schema and role each one has (decision 4)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import MetaData, Text, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SHARED_SCHEMA = "platform"
FUNCTION_SCHEMA = "platform_api"


class Site(StrEnum):
    """The data centres (A0-130)."""

    EAST = "east"
    WEST = "west"


class TenantState(StrEnum):
    """Where a tenant stands in its life; the registry of organisations tells the whole story."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSING = "closing"
    CLOSED = "closed"


class SharedBase(DeclarativeBase):
    """The base of every class that is mapped to a table of the shared schema."""

    metadata = MetaData(schema=SHARED_SCHEMA)
    type_annotation_map = {str: Text(), datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own form


class Tenant(SharedBase):
    """The hosted side of one organisation: where its data lives and as whom it is reached."""

    __tablename__ = "tenant"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    schema: Mapped[str]
    role: Mapped[str]
    cluster: Mapped[str]
    site: Mapped[str]
    state: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
