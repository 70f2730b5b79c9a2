"""Municipalities that follow one another: mergers and divisions change the registry, nothing else (decision 36).

The data of a dissolved municipality's tenant is registered anew by its successor; the tenant is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select
from sqlalchemy.orm import aliased

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.tenants.registry import store
from chukan.tenants.registry.errors import SuccessionRefused
from chukan.tenants.registry.rules import after_dissolution
from chukan.tenants.registry.service import moved
from chukan.tenants.registry.store import Registered, subject_of
from chukan.tenants.registry.tables import Organisation, Succession
from chukan.tenants.registry.trail import RegistryAction
from chukan.tenants.registry.unions import move_memberships, unions_of
from chukan.tenants.registry.values import Kind, State, SuccessionKind


@dataclass(frozen=True, slots=True)
class Followed:
    """What a merger or division did: ``closed`` were moved at once, the others follow on the day."""

    predecessors: Sequence[Registered]
    successors: Sequence[Registered]
    effective_on: date
    closed: Sequence[str]
    unions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Link:
    """One step of an organisation's history: the other municipality, how, and from which day on."""

    organisation: UUID
    code: str
    name: str
    prefecture: str
    kind: SuccessionKind
    effective_on: date


def merge(actor: Actor, predecessors: Sequence[str], into: str, *, on: date, now: datetime) -> Followed:
    """Let *into* follow *predecessors* from the day *on*; it takes their places in unions.

    Both forms of a merger are told so: a new municipality is registered first, and all that it is made of
    are predecessors; one that takes in others is the successor of these.

    Raises:
        SuccessionRefused: one of them cannot take part, or the same is registered already.
        OrganisationUnknown: one of them is not registered.
    """
    codes = [subject_of(each).partition(":")[2] for each in predecessors]
    with actor.act(RegistryAction.MERGE, subject_of(into), predecessors=codes, on=str(on)) as unit:
        connection = unit.connection
        before, after = _locked(connection, predecessors, [into], on)
        _require_different(before, after)
        unions = []
        for each in before:
            _follow(connection, each, after, SuccessionKind.MERGER, on)
            _dissolve(connection, each, on)
            unions += [str(union) for union in move_memberships(connection, each.id, after[0].id, on)]
        closed = close_dissolved(connection, now=now, actor=actor.name)
        unit.note(closed=list(closed), unions=unions)
    return Followed(before, after, on, closed, sorted(set(unions)))


def divide(actor: Actor, predecessor: str, into: Sequence[str], *, on: date, stays: bool, now: datetime) -> Followed:
    """Let *into* follow *predecessor* from the day *on*; with *stays* it goes on beside them.

    Who belongs to which union afterwards is decided there: the unions are returned, and nothing is changed.

    Raises:
        SuccessionRefused: one of them cannot take part, or it would be no division.
        OrganisationUnknown: one of them is not registered.
    """
    codes = [subject_of(each).partition(":")[2] for each in into]
    with actor.act(RegistryAction.DIVIDE, subject_of(predecessor), into=codes, on=str(on), stays=stays) as unit:
        connection = unit.connection
        before, after = _locked(connection, [predecessor], into, on)
        _require_different(before, after)
        if not stays and len(after) < 2:
            raise SuccessionRefused(reason=text("a municipality is divided into two or more"))
        _follow(connection, before[0], after, SuccessionKind.DIVISION, on)
        if not stays:
            _dissolve(connection, before[0], on)
        unions = [union.reference for union in unions_of(connection, before[0].id, on)]
        closed = close_dissolved(connection, now=now, actor=actor.name)
        unit.note(closed=list(closed))
    return Followed(before, after, on, closed, unions)


def close_dissolved(connection: Connection, *, now: datetime, actor: str) -> Sequence[str]:
    """Move what is dissolved by today (Asia/Tokyo) towards its end; return the references.

    It may be repeated: what was moved is not found again, and what others hold is left for the next time.
    """
    done = []
    for organisation in store.claim_dissolved(connection, as_tokyo(now).date()):
        to = after_dissolution(organisation.state)
        if to is not None:
            moved(connection, organisation, to, now=now, actor=actor, reason="dissolved")
            done.append(organisation.reference)
    return done


def close_due(actor: Actor, *, now: datetime) -> Sequence[str]:
    """Do ``close_dissolved`` in a transaction of its own, recorded only where there is something to do."""
    with actor.engine.connect() as connection:
        if not store.claim_dissolved(connection, as_tokyo(now).date()):
            return []
    with actor.act(RegistryAction.MOVE, "organisations:many", reason="dissolved") as unit:
        done = close_dissolved(unit.connection, now=now, actor=actor.name)
        unit.note(closed=list(done))
    return done


def predecessors_of(connection: Connection, organisation: UUID) -> Sequence[Link]:
    """Return what *organisation* follows, oldest first."""
    other = aliased(Organisation)
    query = select(Succession.kind, Succession.effective_on, other.id, other.code, other.name, other.prefecture)
    found = query.join(other, other.id == Succession.predecessor).where(Succession.successor == organisation)
    return _links(connection.execute(found.order_by(Succession.effective_on, other.code)).all())


def successors_of(connection: Connection, organisation: UUID) -> Sequence[Link]:
    """Return what follows *organisation*, oldest first."""
    other = aliased(Organisation)
    query = select(Succession.kind, Succession.effective_on, other.id, other.code, other.name, other.prefecture)
    found = query.join(other, other.id == Succession.successor).where(Succession.predecessor == organisation)
    return _links(connection.execute(found.order_by(Succession.effective_on, other.code)).all())


def _links(rows: Iterable[Any]) -> Sequence[Link]:
    return [
        Link(row.id, row.code, row.name, row.prefecture, SuccessionKind(row.kind), row.effective_on) for row in rows
    ]


def _locked(
    connection: Connection, before: Sequence[str], after: Sequence[str], on: date
) -> tuple[Sequence[Registered], Sequence[Registered]]:
    """Lock all sides in one order, so that two such acts cannot wait for each other, and return them."""
    found = {each: store.get(connection, each, on, lock=True) for each in sorted({*before, *after})}
    for organisation in found.values():
        if organisation.kind.is_union or organisation.kind is Kind.PREFECTURE:
            raise SuccessionRefused(reason=text("{organisation} is no municipality", organisation=organisation.label))
        if organisation.dissolved_on is not None:
            reason = text("{organisation} is dissolved already", organisation=organisation.label)
            raise SuccessionRefused(reason=reason)
        if organisation.state in {State.CLOSING, State.CLOSED}:
            raise SuccessionRefused(reason=text("{organisation} is closed", organisation=organisation.label))
    return [found[each] for each in before], [found[each] for each in after]


def _require_different(before: Sequence[Registered], after: Sequence[Registered]) -> None:
    ids = [each.id for each in (*before, *after)]
    if not before or not after or len(set(ids)) != len(ids):
        raise SuccessionRefused(reason=text("the same municipality stands on both sides, or twice on one"))


def _follow(
    connection: Connection, before: Registered, after: Sequence[Registered], kind: SuccessionKind, on: date
) -> None:
    common = {"predecessor": before.id, "kind": kind.value, "effective_on": on}
    already = {link.organisation for link in successors_of(connection, before.id)}
    for each in after:
        if each.id in already:
            reason = text("{after} follows {before} already", after=each.label, before=before.label)
            raise SuccessionRefused(reason=reason)
    connection.execute(insert(Succession), [{**common, "successor": each.id} for each in after])


def _dissolve(connection: Connection, organisation: Registered, on: date) -> None:
    store.update_organisation(connection, organisation.id, {"dissolved_on": on})
