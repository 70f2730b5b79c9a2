"""Operators' accounts: invited, enrolled, given roles, disabled. Each act is one transaction with its record.

Source: A0-142 item 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from chukan.platform.accounts import session_store, store
from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.errors import (
    AccountStateUnfit,
    AdministratorNeedsAppointment,
    DetailsUnsuitable,
    LoginNameUnsuitable,
    OperatorExists,
    OperatorUnknown,
    OwnRoles,
    TooFewAdministrators,
)
from chukan.platform.accounts.four_eyes import FourEyes, take
from chukan.platform.accounts.limits import Limits
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.roles import RoleBook
from chukan.platform.accounts.rules import (
    ACCOUNT_TRANSITIONS,
    LEAST_ADMINISTRATORS,
    AccountEvent,
    AccountState,
    DelayKind,
    Role,
    SessionEnd,
    is_login,
    leaves_enough_administrators,
)
from chukan.platform.accounts.secret_values import new_token, subject_hash, token_hash
from chukan.platform.accounts.session_store import OpenSession
from chukan.platform.accounts.store import Operator
from chukan.platform.accounts.trail import AccountAction, operator_reference
from chukan.platform.audit.rules import AuditEntry, Detail
from chukan.platform.audit.service import Chain, UnitOfWork, audited
from chukan.platform.messages import mark, text

#: The kind of request by which an operator becomes an administrator, once there are enough to ask.
APPOINT = "accounts:administrator:appoint"

_STATES = {
    AccountState.INVITED: mark("invited"),
    AccountState.ACTIVE: mark("enrolled"),
    AccountState.DISABLED: mark("disabled"),
}


def told_state(state: AccountState) -> str:
    """Return the word for *state* in the reader's language."""
    return text(_STATES[state])


@dataclass(frozen=True)
class Invited:
    """A new way in: the token is told here and nowhere again, and works once."""

    account: UUID
    login: str
    token: str = field(repr=False)
    expires_at: datetime


class Operators:
    """What *actor* does to operators' accounts in one *request*, under the console's log-in."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        roles: RoleBook,
        four_eyes: FourEyes,
        *,
        actor: Actor,
        request: str,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._roles = roles
        self._four_eyes = four_eyes
        self._actor = actor
        self._request = request

    def create(self, login: str, *, name: str, number: str, roles: Iterable[Role], now: datetime) -> Invited:
        """Invite an operator with *roles*; *number* is the staff number that tells one person from another.

        Raises:
            PermissionLacking, LoginNameUnsuitable, DetailsUnsuitable, RolesExclude, OperatorExists.
            AdministratorNeedsAppointment: only the machine's own rights make an administrator at once.
        """
        wanted = frozenset(roles)
        subject = f"login:{login}" if is_login(login) else "login:unsuitable"
        with self._act(AccountAction.CREATE, subject, roles=sorted(wanted)) as unit:
            self._actor.require(Permission.OPERATOR_CREATE)
            self._require_details(login, name, number)
            if wanted:
                self._actor.require(Permission.ROLE_CHANGE)
                self._roles.require_compatible(wanted)
            if Role.ADMINISTRATOR in wanted and self._actor.signed is not None:
                raise AdministratorNeedsAppointment(login=login)
            person = store.person_of(unit.connection, number)
            account = store.add_operator(
                unit.connection, person=person, login=login, name=name, issued_by=self._issuer()
            )
            if account is None:
                raise OperatorExists(login=login)
            store.change_roles(unit.connection, account, grant=wanted, revoke=())
            self._event(unit.connection, account, AccountEvent.INVITE, AccountState.INVITED, now)
            unit.note(account=operator_reference(account))
            return self._invitation(unit.connection, account, login, self._issuer(), now)

    def reset(self, login: str, *, now: datetime) -> Invited:
        """Hand out a new way in. The old one works until the new one is used; a disabled account is open again.

        Raises:
            PermissionLacking, OperatorUnknown.
        """
        found = self._found(login)
        with self._act(AccountAction.INVITE, operator_reference(found.id)) as unit:
            self._actor.require(Permission.OPERATOR_RESET)
            self._move(unit.connection, found, AccountEvent.INVITE, now)
            # Who renews their own way in has it from whom they had it before.
            own = self._actor.signed is not None and self._actor.signed.person == found.person
            issuer = found.issued_by if own else self._issuer()
            return self._invitation(unit.connection, found.id, login, issuer, now)

    def unlock(self, login: str) -> int:
        """Forget the failed log-ins of *login*, known or not, and return how many there were.

        Those of an address stay: they are not this operator's alone.
        """
        subject = subject_hash("login", login)
        with self._act(AccountAction.UNLOCK, f"login:{subject.hex()[:16]}") as unit:
            self._actor.require(Permission.OPERATOR_UNLOCK)
            own = {DelayKind.ACCOUNT: subject, DelayKind.DEVICE: subject}
            count = store.forget_failures(unit.connection, own)
            unit.note(failures=count)
            return count

    def change_roles(self, login: str, *, grant: Iterable[Role], revoke: Iterable[Role], now: datetime) -> UUID | None:
        """Give and take roles, and end all sessions of the account.

        Where an operator makes an administrator while there are two, nothing is changed: the answer is then the id
        of a request for a second person.

        Raises:
            PermissionLacking, OperatorUnknown, RolesExclude, OwnRoles.
            TooFewAdministrators: too few would be left.
        """
        found = self._found(login)
        given, taken = frozenset(grant), frozenset(revoke)
        if self._needs_second_person(found, given):
            self._roles.require_compatible((found.roles | given) - taken)
            payload = {"account": str(found.id), "login": found.login, "grant": sorted(given), "revoke": sorted(taken)}
            return self._four_eyes.ask(self._actor, APPOINT, payload, now=now, request=self._request)
        with self._act(
            AccountAction.CHANGE_ROLES, operator_reference(found.id), grant=sorted(given), revoke=sorted(taken)
        ) as unit:
            self._actor.require(Permission.ROLE_CHANGE)
            if self._actor.signed is not None and self._actor.signed.person == found.person:
                raise OwnRoles
            self._set_roles(unit.connection, found.id, given, taken, now)
        return None

    def appoint(self, wanted: UUID, *, now: datetime) -> None:
        """Carry out an approved request to make an administrator; raises as ``change_roles`` and ``take``."""
        with self._act(AccountAction.CHANGE_ROLES, f"request:{wanted}") as unit:
            payload = take(unit.connection, wanted, APPOINT)
            account = UUID(payload["account"])
            given = frozenset(Role(role) for role in payload["grant"])
            taken = frozenset(Role(role) for role in payload["revoke"])
            unit.note(account=operator_reference(account), grant=sorted(given), revoke=sorted(taken))
            self._set_roles(unit.connection, account, given, taken, now)

    def disable(self, login: str, *, now: datetime) -> None:
        """Disable an account: its sessions and invitations end at once.

        Raises:
            PermissionLacking, OperatorUnknown.
            AccountStateUnfit: it is disabled already.
            TooFewAdministrators: too few would be left.
        """
        found = self._found(login)
        with self._act(AccountAction.DISABLE, operator_reference(found.id)) as unit:
            self._actor.require(Permission.OPERATOR_DISABLE)
            _require_enough(store.lock_administrators(unit.connection), found.id)
            self._move(unit.connection, found, AccountEvent.DISABLE, now)
            store.end_tokens(unit.connection, found.id, now=now)
            session_store.end_sessions(unit.connection, found.id, SessionEnd.DISABLED, now=now)

    def list(self) -> Sequence[Operator]:
        """Return all operators by log-in name; raises PermissionLacking."""
        self._actor.require(Permission.OPERATOR_READ)
        with self._engine.connect() as connection:
            return store.operators(connection)

    def sessions(self, login: str, *, now: datetime) -> Sequence[OpenSession]:
        """Return the operator's sessions, newest first; raises PermissionLacking, OperatorUnknown."""
        found = self._found(login)
        if self._actor.signed is None or self._actor.signed.account != found.id:
            self._actor.require(Permission.OPERATOR_READ)
        with self._engine.connect() as connection:
            return session_store.open_sessions(connection, found.id, now)

    def revoke_sessions(
        self, login: str, session: UUID | None = None, *, now: datetime, keep: UUID | None = None
    ) -> int:
        """End one session of the operator, or all but *keep*, and return how many; everybody may end their own.

        Raises:
            PermissionLacking, OperatorUnknown.
        """
        found = self._found(login)
        with self._act(AccountAction.REVOKE, operator_reference(found.id)) as unit:
            if self._actor.signed is None or self._actor.signed.account != found.id:
                self._actor.require(Permission.SESSION_REVOKE)
            count = self._end(unit.connection, found.id, session, keep, now)
            unit.note(sessions=count)
            return count

    @staticmethod
    def _end(connection: Connection, account: UUID, session: UUID | None, keep: UUID | None, now: datetime) -> int:
        if session is None:
            return session_store.end_sessions(connection, account, SessionEnd.REVOKED, now=now, keep=keep)
        own = {each.id for each in session_store.open_sessions(connection, account, now)}
        return int(session in own and session_store.end_session(connection, session, SessionEnd.REVOKED, now=now))

    def _found(self, login: str) -> Operator:
        with self._engine.connect() as connection:
            rows = store.operators(connection, login=login) if is_login(login) else []
        if not rows:
            raise OperatorUnknown(login=login)
        return rows[0]

    def _needs_second_person(self, found: Operator, given: frozenset[Role]) -> bool:
        if self._actor.signed is None or Role.ADMINISTRATOR not in given - found.roles:
            return False
        with self._engine.connect() as connection:
            return store.count_administrators(connection) >= LEAST_ADMINISTRATORS

    def _set_roles(
        self, connection: Connection, account: UUID, given: frozenset[Role], taken: frozenset[Role], now: datetime
    ) -> None:
        """Change roles under the lock of the administrators, so that what is checked is what will be."""
        before = store.lock_administrators(connection)
        state = store.lock_account(connection, account)
        held = store.operators(connection, account=account)[0].roles
        self._roles.require_compatible((held | given) - taken)
        store.change_roles(connection, account, grant=given, revoke=taken)
        if Role.ADMINISTRATOR in taken:
            _require_enough(before, account)
        # Rights changed: whoever works with the old ones logs in again.
        session_store.end_sessions(connection, account, SessionEnd.ROLES, now=now)
        store.add_event(connection, account, at=now, event="roles", state=state, actor=self._actor.name)

    def _move(self, connection: Connection, found: Operator, event: AccountEvent, now: datetime) -> AccountState:
        before = store.lock_account(connection, found.id)
        after = ACCOUNT_TRANSITIONS.get((before, event))
        if after is None or not store.move_account(connection, found.id, before, after):
            raise AccountStateUnfit(login=found.login, state=told_state(before))
        self._event(connection, found.id, event, after, now)
        return after

    def _event(
        self, connection: Connection, account: UUID, event: AccountEvent, state: AccountState, now: datetime
    ) -> None:
        store.add_event(connection, account, at=now, event=event.value, state=state, actor=self._actor.name)

    def _invitation(
        self, connection: Connection, account: UUID, login: str, issuer: UUID | None, now: datetime
    ) -> Invited:
        token, expires_at = new_token(), now + self._limits.tokens.valid
        store.end_tokens(connection, account, now=now)
        store.add_token(
            connection,
            account,
            token_hash(token),
            issued_by=issuer,
            issued_at=now,
            expires_at=expires_at,
        )
        return Invited(account, login, token, expires_at)

    def _issuer(self) -> UUID | None:
        return self._actor.signed.person if self._actor.signed else None

    def _act(self, action: AccountAction, subject: str, **detail: Detail) -> AbstractContextManager[UnitOfWork]:
        entry = AuditEntry(self._actor.name, action, subject, self._request, detail=detail)
        return audited(self._engine.begin, entry, chain=Chain.PLATFORM)

    @staticmethod
    def _require_details(login: str, name: str, number: str) -> None:
        if not is_login(login):
            raise LoginNameUnsuitable(login=login)
        printable = name.isprintable() and number.isprintable()
        if not (printable and len(name.strip()) >= 1 and len(name) <= 100 and 1 <= len(number.strip()) <= 40):
            raise DetailsUnsuitable


def _require_enough(administrators: Mapping[UUID, UUID], without: UUID) -> None:
    if not leaves_enough_administrators(administrators, without):
        raise TooFewAdministrators(least=LEAST_ADMINISTRATORS)
