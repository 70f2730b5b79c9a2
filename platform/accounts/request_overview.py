"""Requests for a second person as the pages show them: shelves that the database pages, and all about one.

Source: A0-142 item 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, and_, or_, select
from sqlalchemy.orm import aliased

from chukan.platform.accounts import request_store
from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.errors import RequestUnknown
from chukan.platform.accounts.four_eyes import FourEyesKind, what_speaks_against
from chukan.platform.accounts.operator_overview import login_names
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.request_store import Request
from chukan.platform.accounts.rules import AccountKind, AccountState, Objection, RequestState
from chukan.platform.accounts.tables import AccountRow, RequestEventRow, RequestRow


class Shelf(StrEnum):
    """Which requests a list shows."""

    #: What the visitor could approve now: their role allows it, and nothing speaks against them.
    WAITING = "waiting"
    #: What the visitor asked for, whatever became of it.
    MINE = "mine"
    #: All that waits for a second person or for being carried out.
    OPEN = "open"
    #: All that is over.
    ENDED = "ended"


#: By which columns a shelf is sorted, under the names that the page's address uses.
_ORDERS = {
    "requested_at": RequestRow.requested_at,
    "expires_at": RequestRow.expires_at,
    "kind": RequestRow.kind,
    "state": RequestRow.state,
}
ORDERS = frozenset(_ORDERS)
_UNDECIDED = RequestRow.state == RequestState.REQUESTED.value
_GOES_ON = RequestRow.state.in_((RequestState.REQUESTED.value, RequestState.APPROVED.value))


@dataclass(frozen=True)
class Moved:
    """A line of a request's history; ``actor`` is a log-in name, or how the trail names a machine."""

    at: datetime
    state: RequestState
    actor: str


@dataclass(frozen=True)
class AllAboutRequest:
    """All that a page shows of a request; ``objection`` is what speaks against the visitor as second person."""

    request: Request
    #: None if no feature of this program carries it out.
    kind: FourEyesKind | None
    objection: Objection | None
    history: Sequence[Moved]

    def state(self, now: datetime) -> RequestState:
        """Return where the request stands at *now*: what nobody has tidied up yet has expired nevertheless."""
        return shown_state(self.request, now)


def shown_state(request: Request, now: datetime) -> RequestState:
    """Return where *request* stands at *now*: what nobody has tidied up yet has expired nevertheless."""
    open_ = request.state in {RequestState.REQUESTED, RequestState.APPROVED}
    return RequestState.EXPIRED if open_ and now >= request.expires_at else request.state


class RequestOverview:
    """What *actor* sees of the requests of *kinds*, under the console's log-in."""

    def __init__(self, engine: Engine, kinds: Collection[FourEyesKind], *, actor: Actor) -> None:
        self._engine = engine
        self._kinds = {kind.name: kind for kind in kinds}
        self._actor = actor

    def page(
        self, shelf: Shelf, *, now: datetime, order: str, descending: bool, limit: int | None, offset: int
    ) -> tuple[Sequence[Request], int]:
        """Return one page of *shelf*, ordered by one of ``ORDERS``, and how many stand there.

        Raises:
            PermissionLacking: the actor may not see requests.
        """
        self._actor.require(Permission.REQUEST_READ)
        condition = self._on(shelf, now)
        column = _ORDERS[order]
        direction = column.desc() if descending else column.asc()
        with self._engine.connect() as connection:
            return request_store.page(
                connection, condition, order=(direction, RequestRow.id), limit=limit, offset=offset
            )

    def waiting(self, *, now: datetime) -> int:
        """Return how many requests wait for *actor* to decide: none for who may not see or approve any."""
        if self._actor.signed is None or not self._actor.may(Permission.REQUEST_READ) or not self._approvable():
            return 0
        with self._engine.connect() as connection:
            return request_store.count(connection, self._on(Shelf.WAITING, now))

    def one(self, wanted: UUID) -> AllAboutRequest:
        """Return all about the request *wanted*.

        Raises:
            PermissionLacking: the actor may not see requests.
            RequestUnknown: there is none of this id.
        """
        self._actor.require(Permission.REQUEST_READ)
        with self._engine.connect() as connection:
            found = request_store.request(connection, wanted)
            if found is None:
                raise RequestUnknown(request=wanted)
            against = what_speaks_against(connection, found, self._actor)
            return AllAboutRequest(found, self._kinds.get(found.kind), against, _history(connection, wanted))

    def _approvable(self) -> list[str]:
        return [name for name, kind in self._kinds.items() if self._actor.may(kind.approve)]

    def _on(self, shelf: Shelf, now: datetime) -> ColumnElement[bool]:
        signed = self._actor.require_person()
        if shelf is Shelf.MINE:
            return RequestRow.requester == signed.person
        lives = RequestRow.expires_at > now
        if shelf is Shelf.OPEN:
            return and_(_GOES_ON, lives)
        if shelf is Shelf.ENDED:
            return or_(~_GOES_ON, ~lives)
        return and_(
            _UNDECIDED,
            lives,
            RequestRow.kind.in_(self._approvable()),
            _is_independent_of(signed.person),
        )


def _is_independent_of(person: UUID) -> ColumnElement[bool]:
    """Return that nothing speaks against *person* approving a request, as ``rules.objection`` decides it."""
    operator = AccountRow.kind == AccountKind.OPERATOR.value
    above = (
        select(AccountRow.issued_by.label("person"))
        .where(AccountRow.person == person, operator, AccountRow.issued_by.is_not(None))
        .cte("above", recursive=True)
    )
    higher = select(AccountRow.issued_by).join(above, AccountRow.person == above.c.person)
    above = above.union(higher.where(operator, AccountRow.issued_by.is_not(None)))
    below = select(AccountRow.person.label("person")).where(AccountRow.issued_by == person, operator)
    below_them = below.cte("below", recursive=True)
    lower = select(AccountRow.person).join(below_them, AccountRow.issued_by == below_them.c.person).where(operator)
    below_them = below_them.union(lower)
    asker = aliased(AccountRow)
    active = select(asker.id).where(asker.state == AccountState.ACTIVE.value)
    return and_(
        RequestRow.requester != person,
        RequestRow.requester.not_in(select(above.c.person)),
        RequestRow.requester.not_in(select(below_them.c.person)),
        RequestRow.requested_by.in_(active),
    )


def _history(connection: Connection, wanted: UUID) -> Sequence[Moved]:
    query = (
        select(RequestEventRow.at, RequestEventRow.state, RequestEventRow.actor)
        .where(RequestEventRow.request == wanted)
        .order_by(RequestEventRow.at, RequestEventRow.id)
    )
    rows = connection.execute(query).all()
    names = login_names(connection, {row.actor for row in rows})
    return [Moved(row.at, RequestState(row.state), names.get(row.actor, row.actor)) for row in rows]
