"""Organisations, what happened to them, and what is known of them by date."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, SmallInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase, Tenant


class Organisation(SharedBase):
    """A prefecture, municipality or union. ``search_key`` is what searches compare, never what is shown."""

    __tablename__ = "organisation"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    code: Mapped[str | None]
    kind: Mapped[str]
    prefecture: Mapped[str]
    name: Mapped[str]
    kana: Mapped[str]
    search_key: Mapped[str]
    invented: Mapped[bool]
    hosting: Mapped[str]
    address_class: Mapped[str | None]
    address_system: Mapped[str | None]
    migrates_on: Mapped[date | None]
    release_group: Mapped[int | None] = mapped_column(SmallInteger)
    tenant: Mapped[UUID | None] = mapped_column(ForeignKey(Tenant.id))
    state: Mapped[str]
    state_since: Mapped[datetime]
    dissolved_on: Mapped[date | None]


class OrganisationEvent(SharedBase):
    """A change of state; the first one has no state before it."""

    __tablename__ = "organisation_event"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    organisation: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    at: Mapped[datetime]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str]


class Succession(SharedBase):
    """One municipality that another one follows, from a day on."""

    __tablename__ = "organisation_succession"

    predecessor: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), primary_key=True)
    successor: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), primary_key=True)
    kind: Mapped[str]
    effective_on: Mapped[date]


class UnionMember(SharedBase):
    """A member of a union from ``since`` up to but not including ``until``."""

    __tablename__ = "union_member"

    union_id: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), primary_key=True)
    member: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), primary_key=True)
    since: Mapped[date] = mapped_column(primary_key=True)
    until: Mapped[date | None]


class Population(SharedBase):
    """What a source said on one day; a correction is a later row of the same day."""

    __tablename__ = "population"

    organisation: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), primary_key=True)
    as_of: Mapped[date] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=func.clock_timestamp())
    value: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str]


class OrganisationDepartment(SharedBase):
    """A side of an organisation that uses the platform."""

    __tablename__ = "organisation_department"

    organisation: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), primary_key=True)
    department: Mapped[str] = mapped_column(primary_key=True)


class InterfaceAdoption(SharedBase):
    """An optional interface that an organisation uses from ``since`` up to but not including ``until``."""

    __tablename__ = "interface_adoption"

    organisation: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id), primary_key=True)
    interface: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[date] = mapped_column(primary_key=True)
    until: Mapped[date | None]
