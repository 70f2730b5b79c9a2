"""Enrolment: who holds an invitation chooses a password and gets the secret of their codes, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from chukan.platform.accounts import session_store, store
from chukan.platform.accounts.errors import InvitationOver, PasswordUnsuitable
from chukan.platform.accounts.limits import Limits
from chukan.platform.accounts.rules import (
    ACCOUNT_TRANSITIONS,
    AccountEvent,
    DelayKind,
    SessionEnd,
    normal_password,
)
from chukan.platform.accounts.secret_values import (
    Passwords,
    enrolment_uri,
    new_code_secret,
    subject_hash,
    token_hash,
)
from chukan.platform.accounts.store import Invitation
from chukan.platform.accounts.trail import AccountAction, operator_reference
from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import Chain, audited
from chukan.platform.vault.service import ColumnCipher


@dataclass(frozen=True)
class Enrolled:
    """What an authenticator is given: told here and nowhere again."""

    account: UUID
    login: str
    secret: str = field(repr=False)
    uri: str = field(repr=False)


class Enrolment:
    """Enrols operators under the console's log-in."""

    def __init__(self, engine: Engine, cipher: ColumnCipher, passwords: Passwords, limits: Limits) -> None:
        self._engine = engine
        self._cipher = cipher
        self._passwords = passwords
        self._limits = limits

    def enrol(self, token: str, password: str, *, now: datetime, request: str) -> Enrolled:
        """Use up the invitation *token*: *password* and a new secret replace what was there, and all sessions end.

        Raises:
            InvitationOver: it was used, has expired, was replaced, or never was.
            PasswordUnsuitable: too short, too long, or the log-in name; the invitation can still be used.
        """
        hashed_token = token_hash(token)
        with self._engine.begin() as connection:
            found = self._invitation(connection, hashed_token, now)
        self._require_suitable(password, found.login)
        hashed = self._passwords.hash(password)
        secret = new_code_secret()
        sealed = self._cipher.seal(found.account, secret.encode())
        name = operator_reference(found.account)
        with audited(
            self._engine.begin, AuditEntry(name, AccountAction.ENROL, name, request), chain=Chain.PLATFORM
        ) as unit:
            # Looked at again, and locked: of two who hold the token one is too late.
            found = self._invitation(unit.connection, hashed_token, now)
            self._replace(unit.connection, found, hashed, sealed, now)
        return Enrolled(found.account, found.login, secret, enrolment_uri(secret, found.login))

    def _replace(self, connection: Connection, found: Invitation, hashed: str, sealed: bytes, now: datetime) -> None:
        after = ACCOUNT_TRANSITIONS.get((found.state, AccountEvent.ENROL))
        if after is None or not store.move_account(
            connection, found.account, found.state, after, password_hash=hashed, issued_by=found.issued_by
        ):
            raise self._over()
        store.store_code_secret(connection, found.account, sealed, now=now)
        store.end_tokens(connection, found.account, now=now)
        session_store.end_sessions(connection, found.account, SessionEnd.CREDENTIALS, now=now)
        own = subject_hash("login", found.login)
        store.forget_failures(connection, {DelayKind.ACCOUNT: own, DelayKind.DEVICE: own})
        name = operator_reference(found.account)
        store.add_event(connection, found.account, at=now, event=AccountEvent.ENROL.value, state=after, actor=name)

    def _invitation(self, connection: Connection, hashed_token: bytes, now: datetime) -> Invitation:
        found = store.open_invitation(connection, hashed_token, now)
        if found is None:
            raise self._over()
        return found

    def _over(self) -> InvitationOver:
        return InvitationOver(minutes=self._limits.tokens.valid_minutes)

    def _require_suitable(self, password: str, login: str) -> None:
        least, most = self._limits.passwords.minimum_length, self._limits.passwords.maximum_length
        normal = normal_password(password)
        if not least <= len(normal) <= most or normal.casefold() == login:
            raise PasswordUnsuitable(least=least, most=most)
