"""The tables of accounts; migration 0004 says what holds in them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase


class PersonRow(SharedBase):
    """A human being, told from others by the staff number; no organisation means J-LIS itself."""

    __tablename__ = "person"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    organisation: Mapped[UUID | None]
    number: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AccountScope(SharedBase):
    """The row whose lock serialises what may leave too few administrators: the nil UUID for the operators."""

    __tablename__ = "account_scope"

    organisation: Mapped[UUID] = mapped_column(primary_key=True)


class AccountRow(SharedBase):
    """One way of a person into the platform; ``issued_by`` is who handed it out, None the machine's own rights."""

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    person: Mapped[UUID] = mapped_column(ForeignKey(PersonRow.id))
    kind: Mapped[str]
    organisation: Mapped[UUID | None]
    login: Mapped[str]
    name: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="invited")
    password_hash: Mapped[str | None]
    issued_by: Mapped[UUID | None] = mapped_column(ForeignKey(PersonRow.id))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AccountRoleRow(SharedBase):
    """A role that an account holds."""

    __tablename__ = "account_role"

    account: Mapped[UUID] = mapped_column(ForeignKey(AccountRow.id), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)


class AccountEventRow(SharedBase):
    """What happened to an account; rows are only added."""

    __tablename__ = "account_event"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    account: Mapped[UUID] = mapped_column(ForeignKey(AccountRow.id))
    at: Mapped[datetime]
    event: Mapped[str]
    state: Mapped[str]
    actor: Mapped[str]


class TotpRow(SharedBase):
    """The secret of an account's codes, sealed, and the newest counter that was used."""

    __tablename__ = "account_totp"

    account: Mapped[UUID] = mapped_column(ForeignKey(AccountRow.id), primary_key=True)
    sealed: Mapped[bytes]
    last_counter: Mapped[int] = mapped_column(BigInteger, server_default="0")
    enrolled_at: Mapped[datetime]


class TokenRow(SharedBase):
    """An invitation: the hash of its token."""

    __tablename__ = "account_token"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    account: Mapped[UUID] = mapped_column(ForeignKey(AccountRow.id))
    hash: Mapped[bytes]
    issued_by: Mapped[UUID | None] = mapped_column(ForeignKey(PersonRow.id))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class SessionRow(SharedBase):
    """A session: the hash of its token, where it was opened, how long it lives."""

    __tablename__ = "account_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    account: Mapped[UUID] = mapped_column(ForeignKey(AccountRow.id))
    kind: Mapped[str]
    hash: Mapped[bytes]
    address: Mapped[str]
    started_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class DelayRow(SharedBase):
    """Failed log-ins of one subject, which is a hash."""

    __tablename__ = "login_delay"

    kind: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]


class RequestRow(SharedBase):
    """An act that waits for a second person."""

    __tablename__ = "four_eyes_request"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    kind: Mapped[str]
    payload: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="requested")
    requested_by: Mapped[UUID] = mapped_column(ForeignKey(AccountRow.id))
    requester: Mapped[UUID] = mapped_column(ForeignKey(PersonRow.id))
    requested_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey(AccountRow.id))
    decider: Mapped[UUID | None] = mapped_column(ForeignKey(PersonRow.id))
    decided_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class RequestEventRow(SharedBase):
    """What happened to a request; rows are only added."""

    __tablename__ = "four_eyes_event"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    request: Mapped[UUID] = mapped_column(ForeignKey(RequestRow.id))
    at: Mapped[datetime]
    state: Mapped[str]
    actor: Mapped[str]
