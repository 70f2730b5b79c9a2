"""Running a schema script: all its statements, the grants and the record of it as one message, one transaction.

A message of the simple protocol is one transaction of its own, so that a schema is at one revision or
at the other, whatever is killed when. The revision in ``platform.tenant_release`` is moved first, by
compare and set: who comes second finds it moved and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

from chukan.platform.database.roles import RoleNames
from chukan.platform.database.tenants import Placement, grants


@dataclass(frozen=True)
class Script:
    """The statements that lead a schema from one revision to another, and the privileges of new tables."""

    #: None for a schema that is still empty.
    from_revision: str | None
    to_revision: str
    statements: tuple[str, ...]
    privileges: Mapping[str, Sequence[str]]


def message(names: RoleNames, placement: Placement, script: Script, audit_body: str) -> bytes:
    """Return the whole message that brings the tenant's schema along *script*, with its audit entry last."""
    before = sql.SQL(
        "set local role {owner}; select platform.move_release({tenant}, {old}, {new}); "
        "set local search_path to {schema}"
    ).format(
        owner=sql.Identifier(names.owner),
        tenant=sql.Literal(placement.tenant),
        old=sql.Literal(script.from_revision),
        new=sql.Literal(script.to_revision),
        schema=sql.Identifier(placement.schema),
    )
    after = (
        *(grants(placement, table, privileges) for table, privileges in script.privileges.items()),
        sql.SQL("select platform.append_audit_entry({tenant}, {body})").format(
            tenant=sql.Literal(placement.tenant), body=sql.Literal(audit_body)
        ),
        sql.SQL("set local role none; set local search_path to default"),
    )
    parts = (
        before.as_bytes(),
        *(statement.encode() for statement in script.statements),
        *(p.as_bytes() for p in after),
    )
    return b";\n".join(parts)


def run_message(connection: psycopg.Connection, content: bytes) -> None:
    """Run *content*, made by ``message``, as one message: in the open transaction, or as one of its own.

    Raises:
        psycopg.Error: a statement failed; nothing of the message was kept.
    """
    result = connection.pgconn.exec_(content)
    if result.status == ExecStatus.FATAL_ERROR:
        raise error_from_result(result, encoding="utf-8")
