"""Sessions on the server: opened at a log-in, given a new name when rights change, ended at once when told so.

The one who holds a session holds a random token; the server keeps its hash. Rights are not stored in it: they are
read at every use, so that a role that was taken away is gone with the next click.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine

from chukan.platform.accounts import session_store
from chukan.platform.accounts.actor import Actor, actor_of
from chukan.platform.accounts.errors import SessionOver
from chukan.platform.accounts.limits import Limits
from chukan.platform.accounts.roles import RoleBook
from chukan.platform.accounts.rules import SessionEnd, SessionKind, is_alive
from chukan.platform.accounts.secret_values import new_token, token_hash
from chukan.platform.accounts.session_store import Holder
from chukan.platform.accounts.trail import AccountAction, operator_reference
from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import Chain, audited

#: A use is noted at most this often: what would be written at every click tells nobody more.
TOUCH_EVERY = timedelta(seconds=60)


@dataclass(frozen=True)
class Opened:
    """A new session: the token is told here and nowhere again."""

    token: str = field(repr=False)
    session: UUID
    account: UUID
    expires_at: datetime


class Sessions:
    """The sessions of one process under the console's log-in."""

    def __init__(self, engine: Engine, limits: Limits, roles: RoleBook) -> None:
        self._engine = engine
        self._limits = limits
        self._roles = roles

    def open(self, connection: Connection, account: UUID, kind: SessionKind, address: str, *, now: datetime) -> Opened:
        """Open a session in the transaction of *connection*, after its holder proved who they are."""
        expires_at = now + self._limits.session(kind).absolute
        return _add(connection, account, kind, address=address, now=now, expires_at=expires_at)

    def resume(self, token: str, *, now: datetime, kind: SessionKind | None = None, prolongs: bool = True) -> Actor:
        """Return who holds *token*, and note that it was used at *now* unless nobody used it (*prolongs*).

        With *kind* only a session of that kind counts: a token is not carried from the command line to the pages.

        Raises:
            SessionOver: it was ended, was not used for too long, or is too old.
        """
        with self._engine.begin() as connection:
            found = self._holder(connection, token, now)
            if kind is not None and found.kind is not kind:
                raise SessionOver
            if prolongs and now - found.last_seen_at >= min(TOUCH_EVERY, self._limits.session(found.kind).idle / 2):
                session_store.touch(connection, found.session, found.last_seen_at, now)
        return actor_of(found, self._roles)

    def renew(self, token: str, *, now: datetime, request: str) -> Opened:
        """Give the holder's session a new token, ending the old one: whenever their rights change.

        It does not live longer for it.

        Raises:
            SessionOver: there is nothing to renew.
        """
        with self._engine.connect() as connection:
            found = self._holder(connection, token, now)
        name = operator_reference(found.account)
        act = AuditEntry(name, AccountAction.RENEW, name, request)
        with audited(self._engine.begin, act, chain=Chain.PLATFORM) as unit:
            if not session_store.end_session(unit.connection, found.session, SessionEnd.RENEWED, now=now):
                raise SessionOver
            address = session_store.address_of(unit.connection, found.session)
            return _add(
                unit.connection, found.account, found.kind, address=address, now=now, expires_at=found.expires_at
            )

    def log_out(self, token: str, *, now: datetime, request: str) -> bool:
        """End the session of *token* by its holder's wish; False if it was over before."""
        with self._engine.connect() as connection:
            found = session_store.holder(connection, token_hash(token))
        if found is None:
            return False
        name = operator_reference(found.account)
        act = AuditEntry(name, AccountAction.LOG_OUT, name, request)
        with audited(self._engine.begin, act, chain=Chain.PLATFORM) as unit:
            return session_store.end_session(unit.connection, found.session, SessionEnd.LOGOUT, now=now)

    def _holder(self, connection: Connection, token: str, now: datetime) -> Holder:
        found = session_store.holder(connection, token_hash(token))
        if found is None:
            raise SessionOver
        policy = self._limits.session(found.kind)
        if not is_alive(policy, last_seen_at=found.last_seen_at, expires_at=found.expires_at, now=now):
            raise SessionOver
        return found


def _add(
    connection: Connection, account: UUID, kind: SessionKind, *, address: str, now: datetime, expires_at: datetime
) -> Opened:
    token = new_token()
    session = session_store.add_session(
        connection,
        account=account,
        kind=kind,
        hashed=token_hash(token),
        address=address,
        started_at=now,
        expires_at=expires_at,
    )
    return Opened(token, session, account, expires_at)
