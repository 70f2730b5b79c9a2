"""Contacts, the roles that they hold, personnel changes and the tasks that these open."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from chukan.platform.database.tables import SharedBase
from chukan.tenants.registry.tables import Organisation


class Contact(SharedBase):
    """A person of an organisation's department. Personal: never in the audit trail, never in logs."""

    __tablename__ = "contact"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    organisation: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    department: Mapped[str]
    name: Mapped[str]
    email: Mapped[str]
    telephone: Mapped[str]
    created_at: Mapped[datetime]
    left_on: Mapped[date | None]


class RoleAssignment(SharedBase):
    """A role that a contact holds from ``since`` up to but not including ``until``."""

    __tablename__ = "role_assignment"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    organisation: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    contact: Mapped[UUID] = mapped_column(ForeignKey(Contact.id))
    role: Mapped[str]
    since: Mapped[date]
    until: Mapped[date | None]


class PersonnelChange(SharedBase):
    """Somebody gives up a role. It is open until every task is done and the leaver's accounts are closed."""

    __tablename__ = "personnel_change"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    organisation: Mapped[UUID] = mapped_column(ForeignKey(Organisation.id))
    assignment: Mapped[UUID] = mapped_column(ForeignKey(RoleAssignment.id))
    successor: Mapped[UUID | None] = mapped_column(ForeignKey(RoleAssignment.id))
    effective_on: Mapped[date]
    former_until: Mapped[date | None]
    accounts_due_on: Mapped[date | None]
    accounts_closed_at: Mapped[datetime | None]
    state: Mapped[str]
    opened_at: Mapped[datetime]


class HandoverTask(SharedBase):
    """One thing that a personnel change makes to be done, and by holders of which roles."""

    __tablename__ = "handover_task"

    change: Mapped[UUID] = mapped_column(ForeignKey(PersonnelChange.id), primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    acts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    state: Mapped[str]


class HandoverEvent(SharedBase):
    """A step of a hand-over; without a task it is one of the change itself."""

    __tablename__ = "handover_event"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    change: Mapped[UUID] = mapped_column(ForeignKey(PersonnelChange.id))
    task: Mapped[str | None]
    at: Mapped[datetime]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    actor: Mapped[str]
