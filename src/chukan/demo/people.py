"""The invented operators: enrolled by the demonstration, which keeps how they log in and shows their codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyotp

from chukan.demo.contents import InventedOperator
from chukan.demo.installation import ACTOR, Installation
from chukan.demo.processes import read_json, write_json
from chukan.platform.accounts import store
from chukan.platform.accounts.actor import Actor
from chukan.platform.accounts.desk import Desk, desk_on
from chukan.platform.accounts.permissions import Permission
from chukan.platform.accounts.rules import AccountState
from chukan.platform.accounts.secret_values import CODE_INTERVAL, CODE_SKEW, Passwords, counter_at
from chukan.platform.database.roles import ProcessKind
from chukan.platform.identifiers import new_opaque_name


@dataclass(frozen=True)
class Code:
    """A one-time code, and when it is taken: from *begins* (it may lie ahead) until *ends*, both in UTC."""

    digits: str = field(repr=False)
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class WayIn:
    """How one operator logs in."""

    password: str = field(repr=False)
    secret: str = field(repr=False)

    def code(self, now: datetime, *, after: int = 0) -> Code:
        """Return the code of *now*, or the next one if that of the interval number *after* was used already."""
        counter = max(counter_at(now), after + 1)
        begins, ends = (_EPOCH + number * CODE_INTERVAL for number in (counter - CODE_SKEW, counter + CODE_SKEW + 1))
        return Code(pyotp.TOTP(self.secret).generate_otp(counter), begins, ends)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ways_in(path: Path) -> Mapping[str, WayIn]:
    """Return the ways in that the file keeps, by log-in name."""
    return {login: WayIn(**found) for login, found in read_json(path, dict[str, dict[str, str]]()).items()}


def used_codes(installation: Installation, people: tuple[InventedOperator, ...]) -> Mapping[str, int]:
    """Return by log-in name the interval number of the newest code that each of *people* has used.

    Raises:
        DatabaseUnreachable: the demonstration does not run.
    """
    with installation.engine(ProcessKind.CONSOLE).connect() as connection:
        found = {person.login: store.candidate(connection, person.login) for person in people}
    return {login: candidate.last_counter for login, candidate in found.items() if candidate is not None}


def enrol_all(installation: Installation, path: Path, people: tuple[InventedOperator, ...]) -> int:
    """See to it that each of *people* can log in as the file says; return how many could not before.

    What the database says counts: who changed their password, or was disabled, gets a new way in.
    """
    known = dict(ways_in(path))
    desk = desk_on(installation.settings, installation.engine(ProcessKind.CONSOLE))
    passwords = Passwords(desk.limits.passwords)
    enrolled = 0
    for person in people:
        with desk.engine.connect() as connection:
            found = store.candidate(connection, person.login)
        if not _fits(found, known.get(person.login), passwords):
            known[person.login] = _enrol(desk, person, found, now=installation.now())
            write_json(path, {login: asdict(way) for login, way in known.items()})
            enrolled += 1
    return enrolled


def _fits(found: store.Candidate | None, way: WayIn | None, passwords: Passwords) -> bool:
    """Return whether *way* is the one that the database knows: each enrolment makes a new password and secret."""
    if found is None or way is None or found.state is not AccountState.ACTIVE:
        return False
    return passwords.verify(found.password_hash, way.password)


def _enrol(desk: Desk, person: InventedOperator, found: store.Candidate | None, *, now: datetime) -> WayIn:
    operators = desk.operators(Actor(ACTOR, frozenset(Permission)))
    if found is None:
        invited = operators.create(person.login, name=person.name, number=person.number, roles=person.roles, now=now)
    else:
        invited = operators.reset(person.login, now=now)
    password = "-".join(new_opaque_name()[:5] for _ in range(3))
    made = desk.enrolment.enrol(invited.token, password, now=now, request=desk.request)
    return WayIn(password, made.secret)
