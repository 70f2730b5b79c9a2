"""The words in which attack cases are written: what is tried, how success is recognised, what is expected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from psycopg.sql import SQL

from chukan.platform.messages import mark


class Expected(StrEnum):
    """What has to come of an attempt."""

    REFUSED = "refused"
    #: It reaches names, sizes or the attacker's own service, no row of another tenant; see docs/security.md.
    RESIDUAL = "residual"


class Reach(StrEnum):
    """How it is recognised that an attempt reached its aim."""

    #: The last statement ran.
    DONE = "done"
    #: The last statement returned a row whose first column is neither null nor false.
    ROWS = "rows"
    #: The victim's secret stands in a returned value or in an error's text.
    SECRET = "secret"  # noqa: S105 - not a password


#: insufficient_privilege
DENIED = "42501"


@dataclass(frozen=True)
class Attack:
    """One attempt: its statements run in one session and one transaction.

    ``states`` are the SQLSTATEs that a refusal may come with; empty means that the attempt runs and
    finds nothing. ``probe`` makes it a carry-over case: the statements leave something behind, the
    session goes back to the pool, and the probe looks for it from the next loan of the same backend.
    """

    number: str
    title: str
    statements: tuple[SQL, ...]
    defence: str
    expected: Expected = Expected.REFUSED
    reach: Reach = Reach.DONE
    states: frozenset[str] = frozenset({DENIED})
    probe: SQL | None = None


def denied(number: str, title: str, *statements: SQL, defence: str, states: str = DENIED) -> Attack:
    """Return a case that a SQLSTATE of *states* has to refuse."""
    return Attack(number, title, statements, defence, states=frozenset(states.split()))


def finds_nothing(number: str, title: str, *statements: SQL, defence: str, reach: Reach = Reach.ROWS) -> Attack:
    """Return a case that may run, and finds nothing."""
    return Attack(number, title, statements, defence, reach=reach, states=frozenset())


def residual(number: str, title: str, *statements: SQL, defence: str, reach: Reach = Reach.DONE) -> Attack:
    """Return a case that reaches something harmless, as docs/security.md explains."""
    return Attack(number, title, statements, defence, expected=Expected.RESIDUAL, reach=reach, states=frozenset())


def carried(number: str, title: str, leave: SQL, probe: SQL, *, reach: Reach = Reach.ROWS, states: str = "") -> Attack:
    """Return a case that leaves something in a session and probes the next loan of it."""
    defence = mark("DISCARD ALL whenever a session comes back")
    return Attack(number, title, (leave,), defence, reach=reach, states=frozenset(states.split()), probe=probe)
