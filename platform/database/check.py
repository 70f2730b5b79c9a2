"""Running the assertions on a cluster, under the auditor's log-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

from chukan.platform.database.assertions import ASSERTIONS, Assertion
from chukan.platform.database.engines import address, connect
from chukan.platform.database.hardening import OPEN_RELATIONS, REVOKED_FUNCTIONS, pattern
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.database.secrets import process_password
from chukan.platform.settings import DatabaseSettings

#: So many of the things that break an assertion are named; the rest are counted.
_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """What came of one assertion: ``breaking`` names what breaks it, and is empty when it holds."""

    name: str
    breaking: tuple[str, ...]
    hint: str

    @property
    def holds(self) -> bool:
        """Whether nothing breaks the assertion."""
        return not self.breaking

    def summary(self) -> str:
        """Return the first things that break it, and how many more there are."""
        more = len(self.breaking) - _NAMED
        return ", ".join(self.breaking[:_NAMED]) + (f" (+{more})" if more > 0 else "")


def check_database(settings: DatabaseSettings) -> Iterator[Finding]:
    """Yield the finding of each assertion, in their order.

    Raises:
        SecretMissing: this process was not given the auditor's password.
        DatabaseUnreachable: no connection could be made.
    """
    arguments = {
        **address(settings),
        "user": RoleNames(settings.role_prefix).process(ProcessKind.AUDITOR),
        "password": process_password(settings.secrets_directory, ProcessKind.AUDITOR),
    }
    with connect(arguments) as connection:
        places = _places(settings)
        for assertion in ASSERTIONS:
            yield _find(connection, assertion, places)


def _find(connection: psycopg.Connection, assertion: Assertion, places: dict[str, sql.Composable]) -> Finding:
    rows = connection.execute(assertion.breaking.format(**places)).fetchall()
    return Finding(assertion.name, tuple(str(row[0]) for row in rows), assertion.hint)


def _places(settings: DatabaseSettings) -> dict[str, sql.Composable]:
    names = RoleNames(settings.role_prefix)
    tenants = f"{names.prefix}org_[a-z2-7]{{16}}"
    fixed = (names.owner, names.tenant_common, *(names.process(kind) for kind in ProcessKind))
    return {
        "owner": sql.Literal(names.owner),
        "tenant_common": sql.Literal(names.tenant_common),
        "provisioner": sql.Literal(names.process(ProcessKind.PROVISIONER)),
        "prefix": sql.Literal(names.prefix),
        "ours": sql.Literal(pattern((*fixed, tenants))),
        "tenants": sql.Literal(pattern((tenants,))),
        "functions": sql.Literal(pattern(REVOKED_FUNCTIONS)),
        "open": sql.Literal(pattern(OPEN_RELATIONS)),
    }
