"""Enrolment: who holds an invitation chooses a password and gets the secret of their codes, once.

The command line does it in one step. The pages do it in two: nothing is replaced before a code proves that the
authenticator has the secret, so that a slip with the device costs nobody the way in that they still have. What
waits in between is kept by the person's browser alone, sealed for this one invitation.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from chukan.platform.accounts import session_store, store
from chukan.platform.accounts.errors import CodeUnfit, InvitationOver, PasswordUnsuitable
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
    matching_counter,
    new_code_secret,
    subject_hash,
    token_hash,
)
from chukan.platform.accounts.store import Invitation
from chukan.platform.accounts.trail import AccountAction, operator_reference
from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import Chain, audited
from chukan.platform.vault.errors import VaultTampered
from chukan.platform.vault.service import ColumnCipher


@dataclass(frozen=True)
class Enrolled:
    """What an authenticator is given: told here and nowhere again."""

    account: UUID
    login: str
    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True)
class Prepared:
    """A way in that waits for its first code; ``sealed`` goes to the browser and comes back with the code."""

    login: str
    secret: str = field(repr=False)
    uri: str = field(repr=False)
    sealed: str = field(repr=False)


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
        found = self._looked_at(token, now)
        self._require_suitable(password, found.login)
        secret = new_code_secret()
        self._enrol(token, found, self._passwords.hash(password), secret, now=now, request=request)
        return Enrolled(found.account, found.login, secret, enrolment_uri(secret, found.login))

    def prepare(self, token: str, password: str, *, now: datetime) -> Prepared:
        """Return what the holder of the invitation *token* gives to an authenticator; nothing is changed yet.

        Raises:
            InvitationOver, PasswordUnsuitable: as ``enrol``.
        """
        found = self._looked_at(token, now)
        self._require_suitable(password, found.login)
        secret = new_code_secret()
        waiting = json.dumps({"password": self._passwords.hash(password), "secret": secret})
        sealed = self._cipher.seal(_waiting_row(token), waiting.encode())
        return _prepared(found, secret, base64.urlsafe_b64encode(sealed).decode())

    def prepared(self, token: str, sealed: str, *, now: datetime) -> Prepared:
        """Return what was prepared for *token* once more, to be shown again; raises InvitationOver."""
        found = self._looked_at(token, now)
        return _prepared(found, self._opened(token, sealed)["secret"], sealed)

    def confirm(self, token: str, sealed: str, code: str, *, now: datetime, request: str) -> str:
        """Enrol with what was prepared, now that *code* proves that it arrived; return the log-in name.

        Raises:
            InvitationOver: as ``enrol``, or *sealed* is not what was prepared for *token*.
            CodeUnfit: the code is not of this secret and this moment; nothing was changed.
        """
        found = self._looked_at(token, now)
        waiting = self._opened(token, sealed)
        counter = matching_counter(waiting["secret"], code, now, after=0)
        if counter is None:
            raise CodeUnfit
        self._enrol(token, found, waiting["password"], waiting["secret"], now=now, request=request, counter=counter)
        return found.login

    def _looked_at(self, token: str, now: datetime) -> Invitation:
        with self._engine.begin() as connection:
            return self._invitation(connection, token_hash(token), now)

    def _opened(self, token: str, sealed: str) -> dict[str, str]:
        try:
            opened: dict[str, str] = json.loads(
                self._cipher.open(_waiting_row(token), base64.b64decode(sealed, altchars=b"-_", validate=True))
            )
        except (VaultTampered, binascii.Error, ValueError) as error:
            raise self._over() from error
        return opened

    def _enrol(
        self,
        token: str,
        found: Invitation,
        hashed: str,
        secret: str,
        *,
        now: datetime,
        request: str,
        counter: int | None = None,
    ) -> None:
        """Use up the invitation; with *counter* the code of that number is used up too."""
        sealed = self._cipher.seal(found.account, secret.encode())
        name = operator_reference(found.account)
        act = AuditEntry(name, AccountAction.ENROL, name, request)
        with audited(self._engine.begin, act, chain=Chain.PLATFORM) as unit:
            # Looked at again, and locked: of two who hold the token one is too late.
            found = self._invitation(unit.connection, token_hash(token), now)
            self._replace(unit.connection, found, hashed, sealed, now)
            if counter is not None:
                store.use_counter(unit.connection, found.account, counter)

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


def _prepared(found: Invitation, secret: str, sealed: str) -> Prepared:
    return Prepared(found.login, secret, enrolment_uri(secret, found.login), sealed)


def _waiting_row(token: str) -> UUID:
    """Return the row that what waits is sealed for: no row of the table, and another one for each invitation."""
    return UUID(bytes=token_hash(token)[:16])
