"""Logging in: name, password and code at once, one path for known and unknown names, and delays after failures.

An attempt is counted as failed before its password is looked at, in a transaction of its own, and taken back when it
succeeds. So a hundred attempts at once are a hundred failures, and a process that is killed gives nothing away.

A code that is right is used up by the attempt, whatever becomes of it, and moves it to a counter of its own: strangers
who know the name hold up strangers alone, and who has the device but not the password gets one guess a code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from uuid import uuid4

import structlog
from sqlalchemy import Connection, Engine

from chukan.platform.accounts import store
from chukan.platform.accounts.errors import LoginDelayed, LoginRefused
from chukan.platform.accounts.limits import Limits
from chukan.platform.accounts.rules import AccountState, DelayKind, SessionKind, is_login, must_wait, one_more
from chukan.platform.accounts.secret_values import Passwords, matching_counter, new_code_secret, subject_hash
from chukan.platform.accounts.sessions import Opened, Sessions
from chukan.platform.accounts.store import Candidate
from chukan.platform.accounts.trail import AccountAction, operator_reference
from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import Chain, audited
from chukan.platform.vault.service import ColumnCipher

_log = structlog.get_logger(__name__)
#: Longer input is no log-in; it is cut before anything is computed over it.
_LONGEST_INPUT = 1024


@dataclass(frozen=True)
class Credentials:
    """What somebody typed, and from where; nothing prints it."""

    login: str = field(repr=False)
    password: str = field(repr=False)
    code: str = field(repr=False)
    address: str

    def cut(self, length: int) -> Credentials:
        """Return the same with at most *length* characters each."""
        return Credentials(self.login[:length], self.password[:length], self.code[:length], self.address[:length])


@dataclass(frozen=True)
class _Attempt:
    """An attempt that was heard: counted as a failure until it is known to be none."""

    candidate: Candidate
    #: How the trail names whom it is about; of a name that nobody has only a hash, since it may be a password.
    name: str
    active: bool
    code_fits: bool
    subjects: dict[DelayKind, bytes]


class Login:
    """Logs operators in under the console's log-in."""

    def __init__(
        self, engine: Engine, cipher: ColumnCipher, passwords: Passwords, sessions: Sessions, limits: Limits
    ) -> None:
        self._engine = engine
        self._cipher = cipher
        self._passwords = passwords
        self._sessions = sessions
        self._limits = limits
        decoy = uuid4()
        # Made now and not at the first unknown name, which would take longer for it.
        sealed = cipher.seal(decoy, new_code_secret().encode())
        self._decoy = Candidate(decoy, AccountState.INVITED, None, sealed, 0)

    def log_in(self, given: Credentials, kind: SessionKind, *, now: datetime, request: str) -> Opened:
        """Return a new session for the operator whom *given* proves.

        Raises:
            LoginDelayed: too many attempts failed; this one was not looked at.
            LoginRefused: it proves nobody; it does not say why.
        """
        given = given.cut(_LONGEST_INPUT)
        attempt = self._heard(given, now)
        password_fits = self._passwords.verify(attempt.candidate.password_hash, given.password)
        with audited(self._engine.begin, self._entry(attempt, kind, request), chain=Chain.PLATFORM) as unit:
            if not (attempt.active and attempt.code_fits and password_fits):
                raise LoginRefused
            return self._let_in(unit.connection, attempt, given, kind, now)

    def _heard(self, given: Credentials, now: datetime) -> _Attempt:
        """Find the account, use up a right code, and count the attempt as failed; or have it wait."""
        subjects = {
            DelayKind.ACCOUNT: subject_hash("login", given.login),
            DelayKind.DEVICE: subject_hash("login", given.login),
            DelayKind.ADDRESS: subject_hash("address", given.address),
        }
        with self._engine.begin() as connection:
            found = store.candidate(connection, given.login) if is_login(given.login) else None
            candidate = self._enrolled(found)
            code_fits = self._code_fits(connection, candidate, given.code, now)
            self._count(connection, subjects, DelayKind.DEVICE if code_fits else DelayKind.ACCOUNT, now)
        digest = subjects[DelayKind.ACCOUNT].hex()[:16]
        name = operator_reference(found.id) if found is not None else f"login:{digest}"
        return _Attempt(candidate, name, candidate.state is AccountState.ACTIVE, code_fits, subjects)

    def _code_fits(self, connection: Connection, candidate: Candidate, code: str, now: datetime) -> bool:
        sealed = candidate.sealed or b""
        secret = self._cipher.open(candidate.id, sealed).decode()
        counter = matching_counter(secret, code, now, after=candidate.last_counter)
        # The row decides: of two attempts with one code one is too late.
        return counter is not None and store.use_counter(connection, candidate.id, counter)

    def _count(
        self, connection: Connection, subjects: dict[DelayKind, bytes], counted: DelayKind, now: datetime
    ) -> None:
        failures = store.lock_failures(connection, subjects, now=now)
        charged = (DelayKind.ADDRESS, counted)
        wait = max(must_wait(self._limits.delay(kind), failures[kind], now) for kind in charged)
        if wait > timedelta(0):
            _log.info("accounts.login_delayed", reason=counted.value)
            raise LoginDelayed(seconds=ceil(wait.total_seconds()))
        for kind in charged:
            more = one_more(self._limits.delay(kind), failures[kind], now)
            store.set_failures(connection, kind, subjects[kind], more)

    def _let_in(
        self, connection: Connection, attempt: _Attempt, given: Credentials, kind: SessionKind, now: datetime
    ) -> Opened:
        account, hashed = attempt.candidate.id, attempt.candidate.password_hash or ""
        if not store.still_lets_in(connection, account, hashed):
            raise LoginRefused
        store.lock_failures(connection, attempt.subjects, now=now)
        store.take_back_failure(connection, DelayKind.ADDRESS, attempt.subjects[DelayKind.ADDRESS])
        own = {each: attempt.subjects[each] for each in (DelayKind.ACCOUNT, DelayKind.DEVICE)}
        store.forget_failures(connection, own)
        if self._passwords.is_outdated(hashed):
            store.set_password_hash(connection, account, hashed, self._passwords.hash(given.password))
        return self._sessions.open(connection, account, kind, given.address, now=now)

    @staticmethod
    def _entry(attempt: _Attempt, kind: SessionKind, request: str) -> AuditEntry:
        detail = {"kind": kind.value, "code": attempt.code_fits}
        return AuditEntry(attempt.name, AccountAction.LOG_IN, attempt.name, request, detail=detail)

    def _enrolled(self, found: Candidate | None) -> Candidate:
        """Return *found*, or a decoy where nobody can be let in, on which the same work is done."""
        return found if found is not None and found.sealed and found.password_hash else self._decoy
