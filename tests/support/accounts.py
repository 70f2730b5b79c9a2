"""Operators for the tests: a database with keys, cheap passwords, and short words for getting people in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pyotp

from chukan.platform.accounts.actor import Actor, machine, token_holder
from chukan.platform.accounts.desk import appointment
from chukan.platform.accounts.enrolment import Enrolled, Enrolment
from chukan.platform.accounts.four_eyes import FourEyes, FourEyesKind
from chukan.platform.accounts.limits import Limits, shipped_limits
from chukan.platform.accounts.login import Credentials, Login
from chukan.platform.accounts.roles import shipped_roles
from chukan.platform.accounts.rules import Role, SessionKind
from chukan.platform.accounts.secret_values import Passwords, code_cipher
from chukan.platform.accounts.service import Operators
from chukan.platform.accounts.sessions import Opened, Sessions
from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import PLATFORM
from support.vault import Safe

NOON = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
PASSWORD = "the right words to say"  # noqa: S105 - the tests own
#: A password costs the tests next to nothing; everything else is as it is shipped.
CHEAP: Limits = shipped_limits().model_copy(
    update={
        "passwords": shipped_limits().passwords.model_copy(update={"time_cost": 1, "memory_kib": 64, "parallelism": 1})
    }
)


@dataclass(frozen=True)
class Member:
    """An enrolled operator of the tests."""

    account: UUID
    login: str
    secret: str

    def code(self, now: datetime) -> str:
        return pyotp.TOTP(self.secret).at(now)


@dataclass
class Office:
    """Accounts over a real database; ``now`` is moved by the tests."""

    safe: Safe
    kinds: Sequence[FourEyesKind] = ()
    limits: Limits = CHEAP
    now: datetime = NOON
    _parts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with self.safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
            self.safe.vault(ProcessKind.PROVISIONER).create_keys(driver(connection), PLATFORM)
        self.engine = self.safe.database.engine(ProcessKind.CONSOLE)
        self.passwords = Passwords(self.limits.passwords)
        self.cipher = code_cipher(self.engine, self.safe.provider, cache_seconds=300)
        self.sessions = Sessions(self.engine, self.limits, shipped_roles())
        self.four_eyes = FourEyes(self.engine, (appointment(), *self.kinds), self.limits)
        self.login = Login(self.engine, self.cipher, self.passwords, self.sessions, self.limits)
        self.enrolment = Enrolment(self.engine, self.cipher, self.passwords, self.limits)

    def later(self, **duration: float) -> datetime:
        """Move the clock on, and return what it shows."""
        self.now += timedelta(**duration)
        return self.now

    def operators(self, actor: Actor | None = None) -> Operators:
        """Return what *actor* (the machine, if nobody is named) can do to operators."""
        return Operators(
            self.engine, self.limits, shipped_roles(), self.four_eyes, actor=actor or machine(), request="test"
        )

    def invite(self, login: str, *roles: Role, number: str | None = None, by: Actor | None = None) -> str:
        """Invite an operator and return the token."""
        made = self.operators(by).create(
            login, name=login.title(), number=number or f"no-{login}", roles=roles, now=self.now
        )
        return made.token

    def enrol(self, token: str, password: str = PASSWORD) -> Enrolled:
        return self.enrolment.enrol(token, password, now=self.now, request="test")

    def member(self, login: str, *roles: Role, number: str | None = None, by: Actor | None = None) -> Member:
        """Invite an operator and enrol them."""
        made = self.enrol(self.invite(login, *roles, number=number, by=by))
        return Member(made.account, made.login, made.secret)

    def try_in(
        self, login: str, password: str, code: str, *, address: str = "192.0.2.1", kind: SessionKind | None = None
    ) -> Opened:
        given = Credentials(login, password, code, address)
        return self.login.log_in(given, kind or SessionKind.CONSOLE, now=self.now, request="test")

    def let_in(self, member: Member, **options: Any) -> Opened:
        """Log *member* in with the right password and the code of this moment."""
        return self.try_in(member.login, PASSWORD, member.code(self.now), **options)

    def actor(self, member: Member) -> Actor:
        """Log *member* in and return them as an actor."""
        return self.holder(self.let_in(member).token)

    def holder(self, token: str) -> Actor:
        return token_holder(self.engine, token, now=self.now)

    def entries(self, action: str = "%") -> list[tuple[str, str, str]]:
        """Return actor, action and outcome of the platform's chain, oldest first."""
        with self.safe.database.superuser() as superuser:
            rows = superuser.execute(
                "select body::jsonb ->> 'actor', body::jsonb ->> 'action', body::jsonb ->> 'outcome'"
                " from platform.audit_entry where chain = %s and body::jsonb ->> 'action' like %s order by seq",
                (PLATFORM, action),
            )
            return [(str(actor), str(what), str(outcome)) for actor, what, outcome in rows]

    def states(self) -> dict[str, str]:
        return {one.login: one.state.value for one in self.operators().list()}
