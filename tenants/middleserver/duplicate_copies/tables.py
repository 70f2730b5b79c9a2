"""The tables of uploads and duplicate copies, in every tenant's schema.

A copy carries the number of its upload in the upper half of its id, and is visible when that upload is registered:
the switch is one row, whatever the file's size (decision 26). Nothing here is indexed that is not asked for by index:
a schema stands there 1,788 times.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, LargeBinary, SmallInteger, false, func, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.vault.rules import EncryptedColumn
from chukan.tenants.releases.schema import TenantBase

#: What a rotation of the tenant's data key re-encrypts.
SEALED_COLUMNS = (
    EncryptedColumn("upload_piece", "content"),
    EncryptedColumn("upload_error", "content"),
    EncryptedColumn("duplicate_copy", "content"),
)


class UploadRow(TenantBase):
    """One file of an organisation, from its announcement to its registration or refusal."""

    __tablename__ = "upload"
    __table_args__ = (
        CheckConstraint(
            "state in ('receiving', 'received', 'staging', 'validated', 'registered', 'refused', 'cancelled')", "state"
        ),
        CheckConstraint("form in ('csv', 'xml')", "form"),
        CheckConstraint("received between 0 and size", "received"),
        CheckConstraint("(number is null) = (state in ('receiving', 'cancelled') and received_at is null)", "number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    #: Given when the file is complete; files are registered, and supersede one another, in its order.
    number: Mapped[int | None] = mapped_column(Integer, unique=True)
    state: Mapped[str] = mapped_column(server_default=text("'receiving'"))
    form: Mapped[str]
    information: Mapped[int] = mapped_column(SmallInteger)
    dataset: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    department: Mapped[str]
    #: Blind index of the file's SHA-256: the digest of a small file would tell what is in it.
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    #: What the organisation says the file holds; the file must hold exactly as many (A0-027).
    expected: Mapped[int] = mapped_column(Integer)
    exempt: Mapped[bool] = mapped_column(server_default=false())
    begun_at: Mapped[datetime] = mapped_column(server_default=func.now())
    received_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    #: Who registers the file at present: a chunk of an earlier epoch is not taken any more.
    epoch: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    records: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    #: Where a killed registration goes on; no content.
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    #: The first line of a CSV, by which the cells of its rows are told apart.
    header: Mapped[str | None]
    faults: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    registered: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    deleted: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    #: How many of its rows later files have replaced.
    superseded: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    #: Whether nothing is left to clear away: pieces, rows of a refused file, superseded rows.
    tidy: Mapped[bool] = mapped_column(server_default=true())


class UploadEventRow(TenantBase):
    """A step in an upload's life; append only."""

    __tablename__ = "upload_event"
    __table_args__ = {"info": {"privileges": ("select", "insert")}}  # noqa: RUF012 - SQLAlchemy's own form

    upload: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.clock_timestamp())
    old: Mapped[str | None]
    new: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]


class UploadPieceRow(TenantBase):
    """A piece of a file, sealed before it touched a disk; ``id`` is ``<upload>/<offset>``."""

    __tablename__ = "upload_piece"

    id: Mapped[str] = mapped_column(primary_key=True)
    upload: Mapped[UUID]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class UploadErrorRow(TenantBase):
    """What is wrong with one record; ``id`` is the upload's number and the place of the error in the report."""

    __tablename__ = "upload_error"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class DuplicateCopyRow(TenantBase):
    """A duplicate copy, or the deletion of one; ``id`` is the upload's number and the record's place in the file."""

    __tablename__ = "duplicate_copy"
    __table_args__ = (Index(None, "person", "information"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    #: Blind index of the address number, 16 bytes.
    person: Mapped[bytes] = mapped_column(LargeBinary)
    #: Of address number, information, dataset, version and record key, 16 bytes: what supersedes what.
    key: Mapped[bytes] = mapped_column(LargeBinary)
    information: Mapped[int] = mapped_column(SmallInteger)
    dataset: Mapped[int] = mapped_column(SmallInteger)
    version: Mapped[int] = mapped_column(SmallInteger)
    published_from: Mapped[date]
    published_to: Mapped[date | None]
    deleted: Mapped[bool]
    content: Mapped[bytes] = mapped_column(LargeBinary)


class CopyDayRow(TenantBase):
    """What an organisation has registered and deleted on one day of receipt (Asia/Tokyo)."""

    __tablename__ = "copy_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    uploads: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    records: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
