"""Who acts: an operator who is logged in, or the machine's own rights.

Every command asks and records the answer: accounts' own ask ``current_actor``, all others ``acting`` of
``platform/command_line.py``, which comes here by ``command_actor``. A token that is over never falls back to the
machine's rights: what an operator meant to do in their own name would be recorded as somebody else's.

Source: A0-142 item 1.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from chukan.platform.accounts.errors import PermissionLacking, PersonNeeded, SessionOver
from chukan.platform.accounts.limits import Limits, shipped_limits
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.roles import RoleBook, shipped_roles
from chukan.platform.accounts.rules import is_alive
from chukan.platform.accounts.secret_values import token_hash
from chukan.platform.accounts.session_store import Holder, holder
from chukan.platform.accounts.token_file import TokenFile
from chukan.platform.accounts.trail import operator_reference
from chukan.platform.clock import SystemClock
from chukan.platform.command_line import system_actor
from chukan.platform.database.engines import address
from chukan.platform.settings import Settings


@dataclass(frozen=True)
class Signed:
    """The operator behind a session; ``person`` tells two people apart, whatever their accounts are."""

    session: UUID
    account: UUID
    person: UUID
    login: str


@dataclass(frozen=True)
class Actor:
    """Who acts and what they may do; ``name`` is what the trail records, ``signed`` is None for the machine."""

    name: str
    permissions: frozenset[Permission]
    signed: Signed | None = None

    @property
    def label(self) -> str:
        """What pages show of who acts: the log-in name; the machine has none."""
        return self.signed.login if self.signed else self.name

    def may(self, permission: str) -> bool:
        """Return whether the actor holds *permission*; nobody, not even the machine, holds one that does not exist."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Let the actor pass, or refuse. Features above accounts name a member of ``Permission``.

        Raises:
            PermissionLacking: none of the roles holds *permission*.
        """
        if not self.may(permission):
            raise PermissionLacking(permission=str(permission), detail=f"{self.name} asked for it")

    def require_person(self) -> Signed:
        """Return who it is, for acts that take a human being.

        Raises:
            PersonNeeded: it is the machine.
        """
        if self.signed is None:
            raise PersonNeeded
        return self.signed


def machine() -> Actor:
    """Return the machine's own rights: ``system:<os user>``.

    They are those of the files that this user can read (log-ins, keys); no permission could narrow them.
    """
    return Actor(system_actor(), frozenset(Permission))


def actor_of(found: Holder, roles: RoleBook) -> Actor:
    """Return the operator who holds a session, with what *roles* give at this moment."""
    signed = Signed(found.session, found.account, found.person, found.login)
    return Actor(operator_reference(found.account), roles.permissions_of(found.roles), signed)


def token_holder(
    engine: Engine, token: str, *, now: datetime, limits: Limits | None = None, roles: RoleBook | None = None
) -> Actor:
    """Return who holds *token* at *now*; any process's *engine* may ask. Asking does not prolong the session.

    Raises:
        SessionOver: nobody does any more.
    """
    with engine.connect() as connection:
        found = holder(connection, token_hash(token))
    if found is None:
        raise SessionOver
    policy = (limits or shipped_limits()).session(found.kind)
    if not is_alive(policy, last_seen_at=found.last_seen_at, expires_at=found.expires_at, now=now):
        raise SessionOver
    return actor_of(found, roles or shipped_roles())


def current_actor(settings: Settings, engine: Engine) -> Actor:
    """Return who runs this command: the operator whose token lies in the user's state folder, else the machine.

    *engine* is whatever log-in the command works under (of console, worker, scheduler, provisioner, auditor); the
    database is running.

    Raises:
        SessionOver: there is a token, and it is over; ``chukan login`` or ``chukan logout`` first.
        TokenFileUnsafe: others could have read or written the token's file.
    """
    token = token_file(settings).read()
    return machine() if token is None else token_holder(engine, token, now=SystemClock().now())


def token_file(settings: Settings) -> TokenFile:
    """Return where this user's token for this installation lies: another installation's is not mistaken for it."""
    where = "\n".join(f"{key}={value}" for key, value in sorted(address(settings.database).items()))
    installation = sha256(f"{where}\n{settings.database.role_prefix}".encode()).hexdigest()[:12]
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return TokenFile(Path(state) / "chukan" / f"operator-{installation}.token")
