"""Queries on organisations. They take a connection and never commit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, Select, func, insert, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert

from chukan.platform.identifiers import TenantId
from chukan.platform.messages import text
from chukan.tenants.registry.errors import OrganisationRefused, OrganisationUnknown
from chukan.tenants.registry.organisations_file import SeedRow, key_of, prefecture_names
from chukan.tenants.registry.rules import LocalGovernmentCode, Standing, departments_of
from chukan.tenants.registry.search_keys import search_words
from chukan.tenants.registry.tables import (
    Organisation,
    OrganisationDepartment,
    OrganisationEvent,
    Population,
    UnionMember,
)
from chukan.tenants.registry.values import AddressClass, AddressSystem, Hosting, Kind, ReleaseGroup, State


@dataclass(frozen=True, slots=True)
class Registered:
    """An organisation as it is registered; population and number of members are those of the day asked for."""

    id: UUID
    code: str | None
    kind: Kind
    prefecture: str
    name: str
    kana: str
    invented: bool
    hosting: Hosting
    address_class: AddressClass | None
    address_system: AddressSystem | None
    migrates_on: date | None
    group: ReleaseGroup | None
    tenant: TenantId | None
    state: State
    state_since: datetime
    dissolved_on: date | None
    population: int | None
    population_as_of: date | None
    population_source: str | None
    members: int

    @property
    def reference(self) -> str:
        """The code, or the id of a union that has none: what commands take and the trail names it by."""
        return self.code or str(self.id)

    @property
    def prefecture_name(self) -> str:
        """The prefecture's name."""
        return prefecture_names()[self.prefecture]

    @property
    def label(self) -> str:
        """The name with prefecture and code: 25 names are borne by several municipalities."""
        return f"{self.name}（{self.prefecture_name} {self.reference}）"

    @property
    def title(self) -> str:
        """The same for pages: a union's id, where it has no code, tells people nothing."""
        return self.label if self.code else f"{self.name}（{self.prefecture_name}）"

    @property
    def standing(self) -> Standing:
        """What the concerns about it follow from."""
        return Standing(
            self.kind, self.state, self.hosting, self.group, self.population, self.members, self.tenant
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """Which organisations are looked for: all words must match; an empty condition lets everything through."""

    words: str = ""
    kinds: Collection[Kind] = ()
    states: Collection[State] = ()
    prefecture: str | None = None
    group: ReleaseGroup | None = None


def find(connection: Connection, wanted: Filter, day: date) -> Sequence[Registered]:
    """Return the organisations that *wanted* describes, by prefecture and code, in one query."""
    query = _organisations(day).where(*conditions(wanted))
    return [_registered(row) for row in connection.execute(query)]


def get(connection: Connection, reference: str, day: date, *, lock: bool = False) -> Registered:
    """Return the organisation of *reference* (code or id); with *lock* nobody else changes it meanwhile.

    Raises:
        CodeInvalid: it is neither a code nor an id.
        OrganisationUnknown: there is none.
    """
    condition = is_referred_to(reference)
    if lock:
        # The lateral join cannot be locked, so the row is locked first.
        connection.execute(select(Organisation.id).where(condition).with_for_update())
    row = connection.execute(_organisations(day).where(condition)).one_or_none()
    if row is None:
        raise OrganisationUnknown(organisation=reference)
    return _registered(row)


def of_ids(connection: Connection, ids: Collection[UUID], day: date) -> Mapping[UUID, Registered]:
    """Return the organisations with these *ids* by id, in one query."""
    if not ids:
        return {}
    query = _organisations(day).where(Organisation.id.in_(ids))
    return {row.id: _registered(row) for row in connection.execute(query)}


def subject_of(reference: str) -> str:
    """Return how the trail names the organisation of *reference*, without asking the database.

    Raises:
        CodeInvalid: it is neither a code nor an id.
    """
    return f"organisation:{_uuid(reference) or LocalGovernmentCode.parse(reference)}"


def is_referred_to(reference: str) -> ColumnElement[bool]:
    """Return the condition that picks the organisation of *reference*; raises as ``subject_of``."""
    id_ = _uuid(reference)
    if id_ is not None:
        return Organisation.id == id_
    return Organisation.code == LocalGovernmentCode.parse(reference)


def insert_missing(connection: Connection, rows: Sequence[SeedRow], *, now: datetime) -> Sequence[UUID]:
    """Register those of *rows* whose code is new, with their departments; return their ids."""
    if not rows:
        return []
    statement = upsert(Organisation).on_conflict_do_nothing(index_elements=["code"])
    made = connection.execute(
        statement.returning(Organisation.id, Organisation.kind), [_values_of(row, now) for row in rows]
    ).all()
    _insert_departments(connection, [(row.id, Kind(row.kind)) for row in made])
    return [row.id for row in made]


def insert_union(connection: Connection, values: Mapping[str, Any], kind: Kind) -> UUID | None:
    """Register a union with its departments; None where its code or name is taken."""
    statement = upsert(Organisation).values(**values).on_conflict_do_nothing().returning(Organisation.id)
    made = connection.execute(statement).scalar_one_or_none()
    if made is not None:
        _insert_departments(connection, [(made, kind)])
    return made


def update_changed(connection: Connection, rows: Sequence[SeedRow]) -> Sequence[str]:
    """Bring kind, name and reading of registered organisations up to *rows*; return the codes that changed.

    Raises:
        OrganisationRefused: one of the codes is a union's.
    """
    wanted = {row.code: row for row in rows}
    query = select(Organisation.code, Organisation.kind, Organisation.name, Organisation.kana, Organisation.search_key)
    changed = []
    for found in connection.execute(query.where(Organisation.code.in_(wanted)).with_for_update()).all():
        if Kind(found.kind).is_union:
            raise OrganisationRefused(organisation=found.code, reason=text("the code is a union's"))
        row = wanted[LocalGovernmentCode(found.code)]
        key = key_of(row.prefecture, row.name, row.kana)
        if (found.kind, found.name, found.kana, found.search_key) == (row.kind.value, row.name, row.kana, key):
            continue
        values = {"kind": row.kind.value, "name": row.name, "kana": row.kana, "search_key": key}
        connection.execute(update(Organisation).where(Organisation.code == row.code).values(**values))
        changed.append(found.code)
    return sorted(changed)


def update_organisation(connection: Connection, organisation: UUID, values: Mapping[str, Any]) -> None:
    """Set columns of an organisation."""
    connection.execute(update(Organisation).where(Organisation.id == organisation).values(**values))


def move(connection: Connection, organisation: UUID, state: State, to: State, *, now: datetime) -> bool:
    """Move an organisation from *state* to *to*; False where it is in another state by now."""
    statement = (
        update(Organisation)
        .where(Organisation.id == organisation, Organisation.state == state.value)
        .values(state=to.value, state_since=now)
    )
    return connection.execute(statement).rowcount == 1


def insert_events(
    connection: Connection,
    organisations: Iterable[UUID],
    state: State | None,
    to: State,
    *,
    now: datetime,
    actor: str,
    reason: str,
) -> None:
    """Add a step to the history of each of *organisations*."""
    common = {"at": now, "from_state": state and state.value, "to_state": to.value, "actor": actor, "reason": reason}
    if rows := [{"organisation": each, **common} for each in organisations]:
        connection.execute(insert(OrganisationEvent), rows)


def events_of(connection: Connection, organisation: UUID) -> Sequence[Row[Any]]:
    """Return the history of an organisation's states, oldest first."""
    query = select(OrganisationEvent.__table__).where(OrganisationEvent.organisation == organisation)
    return connection.execute(query.order_by(OrganisationEvent.id)).all()


def claim_dissolved(connection: Connection, day: date) -> Sequence[Registered]:
    """Lock and return organisations that are dissolved by *day* but still wait or work."""
    alive = [state.value for state in (State.APPLIED, State.ACTIVE, State.SUSPENDED)]
    due = select(Organisation.id).where(Organisation.dissolved_on <= day, Organisation.state.in_(alive))
    ids = connection.execute(due.order_by(Organisation.id).with_for_update(skip_locked=True)).scalars().all()
    rows = connection.execute(_organisations(day).where(Organisation.id.in_(ids))) if ids else ()
    return [_registered(row) for row in rows]


def place(connection: Connection, organisation: UUID, tenant: TenantId | None) -> None:
    """Say which tenant is the organisation's hosted side; the provisioner's right alone."""
    connection.execute(update(Organisation).where(Organisation.id == organisation).values(tenant=tenant))


def alive_codes(connection: Connection, day: date) -> Mapping[str, UUID]:
    """Return the ids of prefectures and municipalities that exist on *day*, by code."""
    unions = [kind.value for kind in Kind if kind.is_union]
    query = select(Organisation.code, Organisation.id).where(
        Organisation.kind.not_in(unions),
        or_(Organisation.dissolved_on.is_(None), Organisation.dissolved_on > day),
    )
    return {row.code: row.id for row in connection.execute(query)}


def conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    """Return the conditions on organisations that *wanted* stands for, for queries of others too."""
    found: list[ColumnElement[bool]] = []
    for word in search_words(wanted.words):
        in_names = func.strpos(Organisation.search_key, word) > 0
        is_number = word.isascii() and word.isdigit()
        found.append(or_(in_names, func.starts_with(Organisation.code, word)) if is_number else in_names)
    if wanted.kinds:
        found.append(Organisation.kind.in_([kind.value for kind in wanted.kinds]))
    if wanted.states:
        found.append(Organisation.state.in_([state.value for state in wanted.states]))
    if wanted.prefecture is not None:
        found.append(Organisation.prefecture == wanted.prefecture)
    if wanted.group is not None:
        found.append(Organisation.release_group == int(wanted.group))
    return found


def newest_population(day: date) -> ScalarSelect[int]:
    """Return the expression for the population of an organisation that holds on *day*; null where there is none."""
    return (
        select(Population.value)
        .where(Population.organisation == Organisation.id, Population.as_of <= day)
        .order_by(Population.as_of.desc(), Population.recorded_at.desc())
        .limit(1)
        .correlate(Organisation)
        .scalar_subquery()
    )


def _organisations(day: date) -> Select[Any]:
    newest = (
        select(Population.value, Population.as_of, Population.source)
        .where(Population.organisation == Organisation.id, Population.as_of <= day)
        .order_by(Population.as_of.desc(), Population.recorded_at.desc())
        .limit(1)
        .lateral("newest")
    )
    members = (
        select(func.count().label("members"))
        .where(
            UnionMember.union_id == Organisation.id,
            UnionMember.since <= day,
            or_(UnionMember.until.is_(None), UnionMember.until > day),
        )
        .lateral("belonging")
    )
    return (
        select(
            Organisation.__table__,
            newest.c.value.label("population"),
            newest.c.as_of.label("population_as_of"),
            newest.c.source.label("population_source"),
            members.c.members,
        )
        .select_from(Organisation)
        .outerjoin(newest, true())
        .join(members, true())
        .order_by(Organisation.prefecture, Organisation.code.nulls_last(), Organisation.name)
    )


def _registered(row: Row[Any]) -> Registered:
    return Registered(
        id=row.id,
        code=row.code,
        kind=Kind(row.kind),
        prefecture=row.prefecture,
        name=row.name,
        kana=row.kana,
        invented=row.invented,
        hosting=Hosting(row.hosting),
        address_class=AddressClass(row.address_class) if row.address_class else None,
        address_system=AddressSystem(row.address_system) if row.address_system else None,
        migrates_on=row.migrates_on,
        group=ReleaseGroup(row.release_group) if row.release_group else None,
        tenant=TenantId(row.tenant) if row.tenant else None,
        state=State(row.state),
        state_since=row.state_since,
        dissolved_on=row.dissolved_on,
        population=row.population,
        population_as_of=row.population_as_of,
        population_source=row.population_source,
        members=row.members,
    )


def _values_of(row: SeedRow, now: datetime) -> dict[str, Any]:
    return {
        "code": str(row.code),
        "kind": row.kind.value,
        "prefecture": row.prefecture,
        "name": row.name,
        "kana": row.kana,
        "search_key": key_of(row.prefecture, row.name, row.kana),
        "invented": False,
        "hosting": Hosting.PLATFORM.value,
        "state": State.APPLIED.value,
        "state_since": now,
    }


def _insert_departments(connection: Connection, made: Iterable[tuple[UUID, Kind]]) -> None:
    rows = [{"organisation": id_, "department": each.value} for id_, kind in made for each in departments_of(kind)]
    if rows:
        connection.execute(insert(OrganisationDepartment), rows)


def _uuid(reference: str) -> UUID | None:
    try:
        return UUID(reference)
    except ValueError:
        return None
