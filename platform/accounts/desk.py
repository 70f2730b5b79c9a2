"""Accounts as a command opens them: under the console's log-in, closed when the work is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Engine

from chukan.platform.accounts.actor import Actor, current_actor
from chukan.platform.accounts.enrolment import Enrolment
from chukan.platform.accounts.four_eyes import Approved, FourEyes, FourEyesKind, Label
from chukan.platform.accounts.limits import Limits, shipped_limits
from chukan.platform.accounts.login import Login
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.roles import RoleBook, shipped_roles
from chukan.platform.accounts.secret_values import Passwords, code_cipher
from chukan.platform.accounts.service import APPOINT, Operators
from chukan.platform.accounts.sessions import Sessions
from chukan.platform.accounts.words import ROLES
from chukan.platform.clock import SystemClock
from chukan.platform.database.engines import engine_of
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.serving import serving
from chukan.platform.identifiers import new_request_id
from chukan.platform.messages import mark
from chukan.platform.settings import Settings
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.service import ColumnCipher


@dataclass(frozen=True)
class Desk:
    """All that accounts offer to one process under the console's log-in."""

    settings: Settings
    engine: Engine
    limits: Limits
    roles: RoleBook
    kinds: Sequence[FourEyesKind]
    request: str

    @property
    def sessions(self) -> Sessions:
        """The sessions on the server."""
        return Sessions(self.engine, self.limits, self.roles)

    @property
    def four_eyes(self) -> FourEyes:
        """The requests that wait for a second person."""
        return FourEyes(self.engine, self.kinds, self.limits)

    @cached_property
    def login(self) -> Login:
        """The way in; needs the keeper of keys."""
        return Login(self.engine, self._cipher, self._passwords, self.sessions, self.limits)

    @cached_property
    def enrolment(self) -> Enrolment:
        """The making of ways in; needs the keeper of keys."""
        return Enrolment(self.engine, self._cipher, self._passwords, self.limits)

    def actor(self) -> Actor:
        """Return who runs this command; raises as ``current_actor``."""
        return current_actor(self.settings, self.engine)

    def operators(self, actor: Actor, request: str | None = None) -> Operators:
        """Return what *actor* can do to operators, in *request* where the desk outlives it."""
        return Operators(
            self.engine, self.limits, self.roles, self.four_eyes, actor=actor, request=request or self.request
        )

    @cached_property
    def _cipher(self) -> ColumnCipher:
        vault = self.settings.vault
        return code_cipher(self.engine, key_provider(vault), cache_seconds=vault.cache_seconds)

    @cached_property
    def _passwords(self) -> Passwords:
        return Passwords(self.limits.passwords)


@contextmanager
def opened(settings: Settings, kinds: Sequence[FourEyesKind] = ()) -> Iterator[Desk]:
    """Open the desk for one command, with the database running; *kinds* are the other features'.

    Raises:
        SecretMissing: this machine was not given the console's log-in.
    """
    with serving(settings.database), engine_of(settings.database, ProcessKind.CONSOLE) as engine:
        yield desk_on(settings, engine, kinds)


def desk_on(
    settings: Settings, engine: Engine, kinds: Sequence[FourEyesKind] = (), limits: Limits | None = None
) -> Desk:
    """Return the desk over an *engine* of the console's that the caller keeps; *limits* are the shipped ones."""
    all_kinds = (appointment(), *kinds)
    return Desk(settings, engine, limits or shipped_limits(), shipped_roles(), all_kinds, new_request_id())


def appointment() -> FourEyesKind:
    """Return the kind of request by which an operator becomes an administrator."""

    def run(approved: Approved) -> None:
        with engine_of(approved.settings.database, ProcessKind.CONSOLE) as engine:
            operators = desk_on(approved.settings, engine).operators(approved.actor)
            operators.appoint(approved.request, now=SystemClock().now())

    return FourEyesKind(
        APPOINT,
        mark("Make an operator an administrator"),
        Permission.ROLE_CHANGE,
        Permission.ADMINISTRATOR_APPOINT,
        run,
        runs_in_console=True,
        confirmed_by="login",
        labels=(
            Label("login", mark("Log-in name")),
            Label("grant", mark("Roles to give")),
            Label("revoke", mark("Roles to take away")),
            Label("account", mark("Account")),
        ),
        values=[Label(role.value, words) for role, words in ROLES.items()],
    )
