"""The tables of connections: the systems and the rates for all, the stored answers in every tenant's schema."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase
from chukan.platform.vault.rules import EncryptedColumn
from chukan.tenants.releases.schema import TenantBase

#: What a rotation of the tenant's data key re-encrypts.
SEALED_COLUMNS = (EncryptedColumn("stored_answer", "content", id_column="key"),)


class ConnectedSystem(SharedBase):
    """A client certificate and whose it is; what was revoked stays, for the trail and against a second use."""

    __tablename__ = "connected_system"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    fingerprint: Mapped[str]
    tenant: Mapped[UUID]
    department: Mapped[str]
    system_id: Mapped[str]
    allowed: Mapped[list[str]] = mapped_column(ARRAY(Text))
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime]
    registered_at: Mapped[datetime]
    registered_by: Mapped[str]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]
    revocation_reason: Mapped[str | None]


class RequestRate(SharedBase):
    """How many requests of a kind an organisation has made since ``begins``, at whichever gateway."""

    __tablename__ = "request_rate"

    tenant: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    begins: Mapped[datetime]
    used: Mapped[int]


class StoredAnswer(TenantBase):
    """A request under its key and, once there is one, its answer: it is given again, and nothing is done twice."""

    __tablename__ = "stored_answer"

    #: The id of the connected system, a colon, and the key that it gave.
    key: Mapped[str] = mapped_column(primary_key=True)
    #: Blind index of the SHA-256 of the request.
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    #: When it was last begun.
    at: Mapped[datetime]
    #: Who works on it: what took over from a gateway that died has another claim.
    claim: Mapped[UUID]
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
