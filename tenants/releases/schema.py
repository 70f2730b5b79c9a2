"""What every tenant's schema holds, declared once without the schema's name.

The connection's search path names the schema, so that one declaration (and one compiled statement)
serves all tenants. A feature declares its tables on ``TenantBase``; a table that a tenant's log-in may
not change at will says so in ``info={"privileges": (...)}``.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import MetaData, Table, Text, func
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chukan.platform.database.tenants import DATA_PRIVILEGES


class TenantBase(DeclarativeBase):
    """The base of every class that is mapped to a table of the tenants' schemas."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pk",
            "ix": "%(table_name)s_%(column_0_N_name)s_ix",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {str: Text(), datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own form


class TenantSetting(TenantBase):
    """What one organisation set for itself, from an instant on; a change is a later row (append only)."""

    __tablename__ = "tenant_setting"
    __table_args__ = {"info": {"privileges": ("select", "insert")}}  # noqa: RUF012 - SQLAlchemy's own form

    name: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[datetime] = mapped_column(primary_key=True)
    value: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    reason: Mapped[str | None]


def privileges_of(table: Table) -> tuple[str, ...]:
    """Return what a tenant's log-in may do with *table*."""
    return tuple(table.info.get("privileges", DATA_PRIVILEGES))
