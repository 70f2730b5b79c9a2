"""Operators as the pages show them: a list that the database pages, and all about one. Nothing here changes anything.

Source: A0-142 item 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from chukan.platform.accounts import session_store, store
from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.errors import OperatorUnknown
from chukan.platform.accounts.limits import Limits
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import AccountKind, AccountState, Role, is_alive, is_login
from chukan.platform.accounts.session_store import OpenSession
from chukan.platform.accounts.store import Operator
from chukan.platform.accounts.tables import AccountEventRow, AccountRoleRow, AccountRow, PersonRow, TokenRow
from chukan.platform.accounts.trail import operator_reference

#: How many of an operator's newest events and invitations a page shows; the audit trail has them all.
MOST_EVENTS = 100
_OPERATOR = AccountRow.kind == AccountKind.OPERATOR.value
#: By which columns the list is sorted, under the names that the page's address uses.
_ORDERS = {
    "login": AccountRow.login,
    "name": AccountRow.name,
    "number": PersonRow.number,
    "state": AccountRow.state,
    "created_at": AccountRow.created_at,
}
ORDERS = frozenset(_ORDERS)


@dataclass(frozen=True)
class Sought:
    """Which operators a list shows: *words* are found in log-in name, name and staff number."""

    words: str = ""
    state: AccountState | None = None
    role: Role | None = None


@dataclass(frozen=True)
class Listed:
    """An operator in the list; ``last_log_in`` is None if they never did, or too long ago to be known."""

    login: str
    name: str
    number: str
    state: AccountState
    roles: tuple[Role, ...]
    created_at: datetime
    last_log_in: datetime | None


@dataclass(frozen=True)
class Happened:
    """A line of an account's history; ``actor`` is a log-in name, or ``system:<os user>``."""

    at: datetime
    event: str
    state: AccountState
    actor: str


@dataclass(frozen=True)
class Handed:
    """An invitation as a page shows it; never its token. ``issued_by`` is None for the machine's own rights."""

    issued_at: datetime
    issued_by: str | None
    expires_at: datetime
    ended_at: datetime | None

    def is_open(self, now: datetime) -> bool:
        """Return whether somebody who holds it could still enrol at *now*."""
        return self.ended_at is None and now < self.expires_at


@dataclass(frozen=True)
class AllAbout:
    """All that a page shows of one operator; sessions, events and invitations are newest first."""

    operator: Operator
    sessions: Sequence[OpenSession]
    events: Sequence[Happened]
    invitations: Sequence[Handed]


class OperatorOverview:
    """What *actor* may see of operators, under the console's log-in."""

    def __init__(self, engine: Engine, limits: Limits, *, actor: Actor) -> None:
        self._engine = engine
        self._limits = limits
        self._actor = actor

    def page(
        self, sought: Sought, *, order: str, descending: bool, limit: int | None, offset: int
    ) -> tuple[Sequence[Listed], int]:
        """Return one page of the operators that are *sought*, ordered by one of ``ORDERS``, and how many there are.

        Raises:
            PermissionLacking: the actor may not see operators.
        """
        self._actor.require(Permission.OPERATOR_READ)
        with self._engine.connect() as connection:
            fits = _fits(sought)
            total = connection.execute(_COUNT.where(fits))
            column = _ORDERS[order]
            direction = column.desc() if descending else column.asc()
            query = _QUERY.where(fits).order_by(direction, AccountRow.id).limit(limit).offset(offset)
            rows = connection.execute(query).all()
            newest = session_store.last_started(connection, [row.id for row in rows])
            return [_listed(row, newest) for row in rows], total.scalar_one()

    def one(self, login: str, *, now: datetime) -> AllAbout:
        """Return all about the operator *login* at *now*; everybody may see themselves.

        Raises:
            PermissionLacking: the actor may not see operators.
            OperatorUnknown: there is none.
        """
        signed = self._actor.signed
        if signed is None or signed.login != login:
            self._actor.require(Permission.OPERATOR_READ)
        with self._engine.connect() as connection:
            found = store.operators(connection, login=login) if is_login(login) else []
            if not found:
                raise OperatorUnknown(login=login)
            account = found[0].id
            sessions = [one for one in session_store.open_sessions(connection, account, now) if self._lives(one, now)]
            return AllAbout(found[0], sessions, _events(connection, account), _invitations(connection, account))

    def _lives(self, session: OpenSession, now: datetime) -> bool:
        policy = self._limits.session(session.kind)
        return is_alive(policy, last_seen_at=session.last_seen_at, expires_at=session.expires_at, now=now)


_ROLES = (
    select(func.array_agg(aggregate_order_by(AccountRoleRow.role, AccountRoleRow.role)))
    .where(AccountRoleRow.account == AccountRow.id)
    .scalar_subquery()
    .label("roles")
)
_QUERY = select(
    AccountRow.id,
    AccountRow.login,
    AccountRow.name,
    AccountRow.state,
    AccountRow.created_at,
    PersonRow.number,
    _ROLES,
).join(PersonRow, PersonRow.id == AccountRow.person)
_COUNT = select(func.count()).select_from(AccountRow).join(PersonRow, PersonRow.id == AccountRow.person)


def login_names(connection: Connection, actors: Collection[str]) -> Mapping[str, str]:
    """Return the log-in name of each of *actors* that is an operator's, as the trail names them."""
    ids = [id_ for actor in actors if (id_ := _account_of(actor)) is not None]
    query = select(AccountRow.id, AccountRow.login).where(AccountRow.id.in_(ids))
    return {operator_reference(row.id): row.login for row in connection.execute(query)} if ids else {}


def actor_with(connection: Connection, login: str) -> str | None:
    """Return the actor, as the trail names it, whose log-in name is *login*; None if no operator has it."""
    found = connection.execute(select(AccountRow.id).where(_OPERATOR, AccountRow.login == login)).scalar_one_or_none()
    return None if found is None else operator_reference(found)


def _account_of(actor: str) -> UUID | None:
    try:
        return UUID(actor.removeprefix("operator:")) if actor.startswith("operator:") else None
    except ValueError:
        return None  # an actor of a program's own


def _fits(sought: Sought) -> ColumnElement[bool]:
    conditions = [_OPERATOR]
    if sought.words:
        places = (AccountRow.login, AccountRow.name, PersonRow.number)
        conditions.append(or_(*(place.icontains(sought.words, autoescape=True) for place in places)))
    if sought.state is not None:
        conditions.append(AccountRow.state == sought.state.value)
    if sought.role is not None:
        holds = select(AccountRoleRow.account).where(AccountRoleRow.role == sought.role.value)
        conditions.append(AccountRow.id.in_(holds))
    return and_(*conditions)


def _listed(row: Row[Any], newest: Mapping[UUID, datetime]) -> Listed:
    held = tuple(Role(role) for role in row.roles or ())
    return Listed(row.login, row.name, row.number, AccountState(row.state), held, row.created_at, newest.get(row.id))


def _events(connection: Connection, account: UUID) -> Sequence[Happened]:
    query = (
        select(AccountEventRow)
        .where(AccountEventRow.account == account)
        .order_by(AccountEventRow.at.desc(), AccountEventRow.id.desc())
        .limit(MOST_EVENTS)
    )
    rows = connection.execute(query).all()
    names = login_names(connection, {row.actor for row in rows})
    return [Happened(row.at, row.event, AccountState(row.state), names.get(row.actor, row.actor)) for row in rows]


def _invitations(connection: Connection, account: UUID) -> Sequence[Handed]:
    # A person may have several accounts; the oldest one stands for them.
    issuer = (
        select(func.min(AccountRow.login)).where(AccountRow.person == TokenRow.issued_by, _OPERATOR).scalar_subquery()
    )
    query = (
        select(TokenRow.issued_at, TokenRow.expires_at, TokenRow.ended_at, issuer.label("issuer"))
        .where(TokenRow.account == account)
        .order_by(TokenRow.issued_at.desc(), TokenRow.id.desc())
        .limit(MOST_EVENTS)
    )
    return [Handed(row.issued_at, row.issuer, row.expires_at, row.ended_at) for row in connection.execute(query)]
