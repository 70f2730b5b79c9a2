"""Unions: registered by operators with their members; their population is their members'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.tenants.registry import store
from chukan.tenants.registry.errors import OrganisationRefused
from chukan.tenants.registry.organisations_file import key_of, name_fault, prefecture_names
from chukan.tenants.registry.rules import LocalGovernmentCode, Span
from chukan.tenants.registry.store import Registered, subject_of
from chukan.tenants.registry.tables import UnionMember
from chukan.tenants.registry.trail import RegistryAction
from chukan.tenants.registry.values import Hosting, Kind, State, kind_label

#: A union is founded by two or more (Local Autonomy Act, art. 284).
FEWEST_MEMBERS = 2


@dataclass(frozen=True, slots=True)
class UnionApplication:
    """A union as an operator enters it; ``members`` are codes, ``since`` is the day they belong from."""

    name: str
    kana: str
    kind: Kind
    prefecture: str
    members: Sequence[str] = field(default=())
    since: date | None = None
    code: str | None = None
    invented: bool = False


def add_union(actor: Actor, application: UnionApplication, *, now: datetime) -> Registered:
    """Register a union with its members.

    Raises:
        OrganisationRefused: name, prefecture, kind or members cannot be a union's, or it is there already.
        OrganisationUnknown: a member is not registered.
    """
    day = as_tokyo(now).date()
    code = LocalGovernmentCode.parse(application.code) if application.code else None
    with actor.act(RegistryAction.ADD_UNION, f"organisation:{code or 'new'}") as unit:
        _require_union(application)
        made = store.insert_union(unit.connection, _values_of(application, code, now), application.kind)
        if made is None:
            raise _refused(application.name, text("it is registered already"))
        members = _members(unit.connection, application.name, application.members, application.since or day)
        for member in members:
            _join(unit.connection, made, member.id, application.since or day)
        store.insert_events(unit.connection, [made], None, State.APPLIED, now=now, actor=actor.name, reason="add-union")
        unit.note(union=str(made), members=[member.reference for member in members])
        return store.get(unit.connection, str(made), day)


def change_members(
    actor: Actor, reference: str, *, join: Sequence[str], leave: Sequence[str], on: date, now: datetime
) -> Registered:
    """Let members join and leave a union from the day *on*.

    Raises:
        OrganisationRefused: it is no union, one joins that belongs to it, or one leaves that does not.
    """
    act = actor.act(
        RegistryAction.CHANGE_MEMBERS, subject_of(reference), join=list(join), leave=list(leave), on=str(on)
    )
    with act as unit:
        union = store.get(unit.connection, reference, on, lock=True)
        if not union.kind.is_union:
            raise _refused(union.reference, text("it is no union"))
        for code in leave:
            member = store.get(unit.connection, code, on)
            if not _leave(unit.connection, union.id, member.id, on):
                raise _refused(union.reference, text("{member} is no member of it", member=member.label))
        for member in _named(unit.connection, union.reference, join, on):
            if _belongs(unit.connection, union.id, member.id, on):
                raise _refused(union.reference, text("{member} is a member of it already", member=member.label))
            _join(unit.connection, union.id, member.id, on)
        return store.get(unit.connection, reference, as_tokyo(now).date())


def members_of(connection: Connection, union: UUID, day: date) -> Sequence[Registered]:
    """Return the members of a union on *day*, by prefecture and code."""
    query = select(UnionMember.member).where(UnionMember.union_id == union, *_holds_on(day))
    members = store.of_ids(connection, connection.execute(query).scalars().all(), day).values()
    return sorted(members, key=lambda member: (member.prefecture, member.code or "", member.name))


def unions_of(connection: Connection, member: UUID, day: date) -> Sequence[Registered]:
    """Return the unions that an organisation belongs to on *day*."""
    query = select(UnionMember.union_id).where(UnionMember.member == member, *_holds_on(day))
    unions = store.of_ids(connection, connection.execute(query).scalars().all(), day).values()
    return sorted(unions, key=lambda union: (union.prefecture, union.code or "", union.name))


def population_base(connection: Connection, organisation: Registered, day: date) -> int | None:
    """Return the population that limits of *organisation* are computed from on *day*.

    Its own; for a union the sum of its members', and None where it has no members or one has no population:
    a sum over some of them would be a smaller number that nobody would notice.
    """
    if not organisation.kind.is_union:
        return organisation.population
    populations = [member.population for member in members_of(connection, organisation.id, day)]
    known = [population for population in populations if population is not None]
    return sum(known) if known and len(known) == len(populations) else None


def move_memberships(connection: Connection, predecessor: UUID, successor: UUID, on: date) -> Sequence[UUID]:
    """Let *successor* take the place of *predecessor* in its unions from the day *on*; return the unions."""
    query = select(UnionMember.union_id).where(UnionMember.member == predecessor, *_holds_on(on))
    unions = connection.execute(query).scalars().all()
    for union in unions:
        _leave(connection, union, predecessor, on)
        if not _belongs(connection, union, successor, on):
            _join(connection, union, successor, on)
    return unions


def _require_union(application: UnionApplication) -> None:
    if not application.kind.is_union:
        raise _refused(application.name, text("{kind} is no kind of union", kind=kind_label(application.kind)))
    if application.prefecture not in prefecture_names():
        raise _refused(application.name, text("no prefecture has the number {number}", number=application.prefecture))
    if reason := name_fault(application.name, application.kana):
        raise _refused(application.name, reason)


def _members(connection: Connection, name: str, codes: Sequence[str], since: date) -> Sequence[Registered]:
    members = _named(connection, name, codes, since)
    if len(members) < FEWEST_MEMBERS:
        raise _refused(name, text("a union has at least {count} members", count=FEWEST_MEMBERS))
    return members


def _named(connection: Connection, name: str, codes: Sequence[str], on: date) -> Sequence[Registered]:
    members = {member.id: member for member in (store.get(connection, code, on) for code in codes)}
    if len(members) != len(codes):
        raise _refused(name, text("a member is named twice"))
    for member in members.values():
        if member.kind.is_union:
            raise _refused(name, text("{member} is a union itself", member=member.label))
        if member.dissolved_on is not None and member.dissolved_on <= on:
            raise _refused(name, text("{member} does not exist any more on {day}", member=member.label, day=on))
    return list(members.values())


def _values_of(application: UnionApplication, code: str | None, now: datetime) -> Mapping[str, object]:
    return {
        "code": code,
        "kind": application.kind.value,
        "prefecture": application.prefecture,
        "name": application.name,
        "kana": application.kana,
        "search_key": key_of(application.prefecture, application.name, application.kana),
        "invented": application.invented,
        "hosting": Hosting.PLATFORM.value,
        "state": State.APPLIED.value,
        "state_since": now,
    }


def _join(connection: Connection, union: UUID, member: UUID, since: date) -> None:
    connection.execute(insert(UnionMember).values(union_id=union, member=member, since=since))


def _leave(connection: Connection, union: UUID, member: UUID, on: date) -> bool:
    mine = (UnionMember.union_id == union, UnionMember.member == member, UnionMember.until.is_(None))
    statement = update(UnionMember).where(*mine, UnionMember.since <= on).values(until=on)
    return connection.execute(statement).rowcount == 1


def _belongs(connection: Connection, union: UUID, member: UUID, on: date) -> bool:
    """Return whether *member* belongs to *union* on *on* or on any day after it."""
    mine = (UnionMember.union_id == union, UnionMember.member == member)
    query = select(UnionMember.since, UnionMember.until).where(*mine)
    spans = [Span(row.since, row.until) for row in connection.execute(query)]
    return any(span.overlaps(Span(on)) for span in spans)


def _holds_on(day: date) -> tuple[ColumnElement[bool], ...]:
    return UnionMember.since <= day, or_(UnionMember.until.is_(None), UnionMember.until > day)


def _refused(organisation: str, reason: str) -> OrganisationRefused:
    return OrganisationRefused(organisation=organisation, reason=reason)
