"""The tables of nights and excluded items, in every tenant's schema."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Integer, LargeBinary, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from chukan.tenants.releases.schema import TenantBase


class BatchResultRow(TenantBase):
    """What one night did for the organisation; ``remaining`` files wait for the next one."""

    __tablename__ = "batch_result"

    night: Mapped[date] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    registered: Mapped[int] = mapped_column(Integer)
    refused: Mapped[int] = mapped_column(Integer)
    remaining: Mapped[int] = mapped_column(Integer)
    records: Mapped[int] = mapped_column(BigInteger)


class ExcludedItemListRow(TenantBase):
    """A list of items that the organisation does not provide; the one of the highest number is in force."""

    __tablename__ = "excluded_item_list"
    __table_args__ = {"info": {"privileges": ("select", "insert")}}  # noqa: RUF012 - SQLAlchemy's own form

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    items: Mapped[int] = mapped_column(Integer)
    actor: Mapped[str]
    received_at: Mapped[datetime]


class ExcludedItemRow(TenantBase):
    """An item that is not provided from a day on (Asia/Tokyo)."""

    __tablename__ = "excluded_item"
    __table_args__ = {"info": {"privileges": ("select", "insert")}}  # noqa: RUF012 - SQLAlchemy's own form

    list: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    information: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    dataset: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    item: Mapped[str] = mapped_column(primary_key=True)
    from_day: Mapped[date]
