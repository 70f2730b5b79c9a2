"""Queries on accounts, their roles, ways in and delays. Nothing here commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert

from chukan.platform.accounts.rules import AccountKind, AccountState, DelayKind, Failures, Role
from chukan.platform.accounts.tables import (
    AccountEventRow,
    AccountRoleRow,
    AccountRow,
    AccountScope,
    DelayRow,
    PersonRow,
    TokenRow,
    TotpRow,
)
from chukan.platform.identifiers import PLATFORM

_OPERATOR = AccountRow.kind == AccountKind.OPERATOR.value


@dataclass(frozen=True)
class Operator:
    """An operator's account as it is listed."""

    id: UUID
    person: UUID
    login: str
    name: str
    number: str
    state: AccountState
    roles: frozenset[Role]
    issued_by: UUID | None
    created_at: datetime


@dataclass(frozen=True)
class Candidate:
    """What a log-in is checked against; ``sealed`` is None as long as the account was never enrolled."""

    id: UUID
    state: AccountState
    password_hash: str | None
    sealed: bytes | None
    last_counter: int


@dataclass(frozen=True)
class Invitation:
    """An open invitation, of which the token is known by its hash."""

    id: UUID
    account: UUID
    login: str
    state: AccountState
    issued_by: UUID | None
    expires_at: datetime


def person_of(connection: Connection, number: str) -> UUID:
    """Return the operator's person with the staff *number*, made now if there is none."""
    made = insert(PersonRow).values(number=number).on_conflict_do_nothing().returning(PersonRow.id)
    found = connection.execute(made).scalar_one_or_none()
    if found is not None:
        return found
    query = select(PersonRow.id).where(PersonRow.organisation.is_(None), PersonRow.number == number)
    return connection.execute(query).scalar_one()


def add_operator(connection: Connection, *, person: UUID, login: str, name: str, issued_by: UUID | None) -> UUID | None:
    """Add an invited operator and return the account's id, or None if the log-in name is taken."""
    values = {"person": person, "kind": AccountKind.OPERATOR.value, "login": login, "name": name}
    made = insert(AccountRow).values(**values, issued_by=issued_by).on_conflict_do_nothing().returning(AccountRow.id)
    return connection.execute(made).scalar_one_or_none()


def operators(connection: Connection, login: str | None = None, account: UUID | None = None) -> Sequence[Operator]:
    """Return the operators by log-in name; only the one with *login* or of *account* if it is given."""
    roles = func.array_remove(func.array_agg(aggregate_order_by(AccountRoleRow.role, AccountRoleRow.role)), None).label(
        "roles"
    )
    query = (
        select(AccountRow, PersonRow.number, roles)
        .join(PersonRow, PersonRow.id == AccountRow.person)
        .outerjoin(AccountRoleRow, AccountRoleRow.account == AccountRow.id)
        .where(_OPERATOR)
        .group_by(AccountRow.id, PersonRow.number)
        .order_by(AccountRow.login)
    )
    if login is not None:
        query = query.where(AccountRow.login == login)
    if account is not None:
        query = query.where(AccountRow.id == account)
    return [_operator(row) for row in connection.execute(query)]


def lock_account(connection: Connection, account: UUID) -> AccountState:
    """Return the account's state and keep it from changing in this transaction."""
    query = select(AccountRow.state).where(AccountRow.id == account).with_for_update()
    return AccountState(connection.execute(query).scalar_one())


def move_account(
    connection: Connection, account: UUID, before: AccountState, after: AccountState, **values: object
) -> bool:
    """Move the account from *before* to *after* with further *values*; False if it was not in *before*."""
    change = (
        update(AccountRow)
        .where(AccountRow.id == account, AccountRow.state == before.value)
        .values(state=after.value, changed_at=func.now(), **values)
    )
    return connection.execute(change).rowcount == 1


def add_event(
    connection: Connection, account: UUID, *, at: datetime, event: str, state: AccountState, actor: str
) -> None:
    """Add a line to the account's history."""
    connection.execute(
        insert(AccountEventRow).values(account=account, at=at, event=event, state=state.value, actor=actor)
    )


def lock_administrators(connection: Connection) -> Mapping[UUID, UUID]:
    """Return the person of each active administrator's account.

    Until the transaction ends nobody else learns or changes who they are.
    """
    connection.execute(select(AccountScope).where(AccountScope.organisation == PLATFORM).with_for_update())
    # A statement of its own: it sees what whoever held the lock before has committed.
    query = (
        select(AccountRow.id, AccountRow.person)
        .join(AccountRoleRow, AccountRoleRow.account == AccountRow.id)
        .where(
            _OPERATOR,
            AccountRow.state == AccountState.ACTIVE.value,
            AccountRoleRow.role == Role.ADMINISTRATOR.value,
        )
    )
    return {row.id: row.person for row in connection.execute(query)}


def change_roles(connection: Connection, account: UUID, *, grant: Iterable[Role], revoke: Iterable[Role]) -> None:
    """Give and take roles; what is there, or not there, already stays so."""
    given = [{"account": account, "role": role.value} for role in grant]
    if given:
        connection.execute(insert(AccountRoleRow).on_conflict_do_nothing(), given)
    taken = [role.value for role in revoke]
    if taken:
        connection.execute(
            delete(AccountRoleRow).where(AccountRoleRow.account == account, AccountRoleRow.role.in_(taken))
        )


# -- ways in --------------------------------------------------------------------------------------


def candidate(connection: Connection, login: str) -> Candidate | None:
    """Return what a log-in of the operator *login* is checked against, or None if there is none."""
    query = (
        select(AccountRow.id, AccountRow.state, AccountRow.password_hash, TotpRow.sealed, TotpRow.last_counter)
        .outerjoin(TotpRow, TotpRow.account == AccountRow.id)
        .where(_OPERATOR, AccountRow.login == login)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Candidate(row.id, AccountState(row.state), row.password_hash, row.sealed, row.last_counter or 0)


def use_counter(connection: Connection, account: UUID, counter: int) -> bool:
    """Note that the code number *counter* was used; False if it, or a newer one, was used before."""
    change = update(TotpRow).where(TotpRow.account == account, TotpRow.last_counter < counter)
    return connection.execute(change.values(last_counter=counter)).rowcount == 1


def set_password_hash(connection: Connection, account: UUID, before: str, after: str) -> None:
    """Replace the hash *before*, if it is still there, by one of the same password."""
    change = update(AccountRow).where(AccountRow.id == account, AccountRow.password_hash == before)
    connection.execute(change.values(password_hash=after))


def still_lets_in(connection: Connection, account: UUID, password_hash: str) -> bool:
    """Return whether the account is active with this very password, and keep both so in this transaction."""
    query = select(AccountRow.id).where(
        AccountRow.id == account,
        AccountRow.state == AccountState.ACTIVE.value,
        AccountRow.password_hash == password_hash,
    )
    return connection.execute(query.with_for_update()).first() is not None


def store_code_secret(connection: Connection, account: UUID, sealed: bytes, *, now: datetime) -> None:
    """Keep the sealed secret of the account's codes in place of an older one."""
    values = {"sealed": sealed, "last_counter": 0, "enrolled_at": now}
    made = insert(TotpRow).values(account=account, **values)
    connection.execute(made.on_conflict_do_update(index_elements=[TotpRow.account], set_=values))


def end_tokens(connection: Connection, account: UUID, *, now: datetime) -> None:
    """End the account's open invitation."""
    change = update(TokenRow).where(TokenRow.account == account, TokenRow.ended_at.is_(None))
    connection.execute(change.values(ended_at=now))


def add_token(
    connection: Connection,
    account: UUID,
    hashed: bytes,
    *,
    issued_by: UUID | None,
    issued_at: datetime,
    expires_at: datetime,
) -> None:
    """Add an invitation; the account has no other open one."""
    connection.execute(
        insert(TokenRow).values(
            account=account, hash=hashed, issued_by=issued_by, issued_at=issued_at, expires_at=expires_at
        )
    )


def open_invitation(connection: Connection, hashed: bytes, now: datetime) -> Invitation | None:
    """Return the invitation with the token's hash if it can be used at *now*; account and token are locked.

    The account is locked first, as by everybody who changes it, and the token is looked at again under that lock.
    """
    known = select(TokenRow.account).where(TokenRow.hash == hashed)
    account = connection.execute(known).scalar_one_or_none()
    if account is None:
        return None
    lock_account(connection, account)
    query = (
        select(TokenRow.id, TokenRow.issued_by, TokenRow.expires_at, AccountRow.login, AccountRow.state)
        .join(AccountRow, AccountRow.id == TokenRow.account)
        .where(TokenRow.hash == hashed, TokenRow.ended_at.is_(None), TokenRow.expires_at > now)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Invitation(row.id, account, row.login, AccountState(row.state), row.issued_by, row.expires_at)


# -- delays ---------------------------------------------------------------------------------------


def lock_failures(
    connection: Connection, subjects: Mapping[DelayKind, bytes], *, now: datetime
) -> dict[DelayKind, Failures]:
    """Return the failures of *subjects*, and let nobody else count theirs until this transaction ends.

    A row is made where there is none, so that there is something to lock; all take them in one order.
    """
    found = {}
    for kind, subject in sorted(subjects.items()):
        made = insert(DelayRow).values(kind=kind.value, subject=subject, failures=0, last_at=now)
        # Making, finding and locking is one statement: nobody can delete the row in between.
        locked = made.on_conflict_do_update(
            index_elements=[DelayRow.kind, DelayRow.subject], set_={"failures": DelayRow.failures}
        ).returning(DelayRow.failures, DelayRow.last_at)
        row = connection.execute(locked).one()
        found[kind] = Failures(row.failures, row.last_at)
    return found


def set_failures(connection: Connection, kind: DelayKind, subject: bytes, failures: Failures) -> None:
    """Store the failures of one subject, which is locked."""
    change = update(DelayRow).where(DelayRow.kind == kind.value, DelayRow.subject == subject)
    connection.execute(change.values(failures=failures.count, last_at=failures.last_at))


def take_back_failure(connection: Connection, kind: DelayKind, subject: bytes) -> None:
    """Count one failure less: the attempt was none."""
    change = update(DelayRow).where(DelayRow.kind == kind.value, DelayRow.subject == subject)
    connection.execute(change.values(failures=func.greatest(DelayRow.failures - 1, 0)))


def forget_failures(connection: Connection, subjects: Mapping[DelayKind, bytes]) -> int:
    """Forget the failures of *subjects* and return how many there were."""
    count = 0
    for kind, subject in sorted(subjects.items()):
        gone = delete(DelayRow).where(DelayRow.kind == kind.value, DelayRow.subject == subject)
        count += sum(connection.execute(gone.returning(DelayRow.failures)).scalars())
    return count


# -- housekeeping ---------------------------------------------------------------------------------

_ADMINISTRATORS = text("select platform_api.active_administrators()")
_TIDY = text("select delays, sessions, tokens from platform_api.tidy_accounts(:forget_delays, :keep_ended)")


def count_administrators(connection: Connection) -> int:
    """Return how many people are active administrators, for whoever only watches."""
    return int(connection.execute(_ADMINISTRATORS).scalar_one())


def tidy(connection: Connection, *, forget_delays: timedelta, keep_ended: timedelta) -> tuple[int, int, int]:
    """Delete delays without a failure for that long, and sessions and tokens that ended so long ago; return counts."""
    row = connection.execute(_TIDY, {"forget_delays": forget_delays, "keep_ended": keep_ended}).one()
    return row.delays, row.sessions, row.tokens


def _operator(row: Row[tuple[AccountRow, str, list[str]]]) -> Operator:
    return Operator(
        id=row.id,
        person=row.person,
        login=row.login,
        name=row.name,
        number=row.number,
        state=AccountState(row.state),
        roles=frozenset(Role(role) for role in row.roles),
        issued_by=row.issued_by,
        created_at=row.created_at,
    )
