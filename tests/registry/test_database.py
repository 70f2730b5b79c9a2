"""The registry's tables: who may do what with them, and what they refuse whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import Table, inspect

from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.tables import SharedBase
from chukan.tenants.registry.delegations import tables as delegations
from chukan.tenants.registry.people import tables as people
from chukan.tenants.registry.service import Registry
from support.database import Database

C, S, G, W, D, P, A, V = (
    *(ProcessKind.CONSOLE, ProcessKind.SUPPORT_SITE, ProcessKind.GATEWAY, ProcessKind.WORKER),
    *(ProcessKind.SCHEDULER, ProcessKind.POLLER, ProcessKind.AUDITOR, ProcessKind.PROVISIONER),
)
SERVING = {C, S, G, W, D, P, V}

#: Who may read, add, change anything, delete.
GRANTS = {
    "organisation": (SERVING, {C}, {C, W, V}, set[ProcessKind]()),
    "organisation_event": ({C, W, V}, {C, W, V}, set(), set()),
    "organisation_succession": (SERVING, {C}, set(), set()),
    "union_member": (SERVING, {C}, {C}, set()),
    "population": (SERVING, {C}, set(), set()),
    "organisation_department": (SERVING, {C}, set(), set()),
    "interface_adoption": (SERVING, {C}, {C}, set()),
    "delegation_declaration": (SERVING, {C}, {C}, set()),
    "contact": ({C, S, W}, {C}, {C}, set()),
    "role_assignment": ({C, S, W, P}, {C}, {C}, set()),
    "personnel_change": ({C, S, W, P}, {C}, {C}, set()),
    "handover_task": ({C, S, W, P}, {C}, {C}, set()),
    "handover_event": ({C}, {C}, set(), set()),
}


@pytest.fixture
def superuser(database: Database) -> Iterator[psycopg.Connection]:
    with database.superuser() as connection:
        yield connection


def test_every_process_has_the_rights_that_it_needs_and_no_other(
    database: Database, superuser: psycopg.Connection
) -> None:
    # A right on the table is one on each of its columns.
    asked = "select has_any_column_privilege(%(role)s, %(table)s, %(right)s)"
    for table, allowed in GRANTS.items():
        for right, who in zip(("select", "insert", "update"), allowed[:3], strict=True):
            found = {
                kind
                for kind in ProcessKind
                if superuser.execute(
                    asked,
                    {"role": database.names.process(kind), "table": f"platform.{table}", "right": right},
                ).fetchone()
                == (True,)
            }
            assert found == who, (table, right)
        deleting = superuser.execute(
            "select count(*) from information_schema.role_table_grants"
            " where table_name = %s and privilege_type in ('DELETE', 'TRUNCATE') and grantee like '%%chukan\\_%%'"
            " and grantee <> %s",
            (table, database.names.owner),
        ).fetchone()
        assert deleting == (0,), table


def test_what_tells_one_from_another_cannot_be_changed_by_the_console(few: Registry, database: Database) -> None:  # noqa: ARG001
    with database.login(ProcessKind.CONSOLE) as console:
        for column in ("id", "code", "prefecture", "invented", "tenant"):
            statement = sql.SQL("update platform.organisation set {0} = {0}").format(sql.Identifier(column))
            with pytest.raises(errors.InsufficientPrivilege):
                console.execute(statement)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("code", None),
        ("code", "1234"),
        ("kind", "republic"),
        ("prefecture", "48"),
        ("name", ""),
        ("hosting", "cloud"),
        ("address_class", "all_unified"),
        ("address_system", "link_server"),
        ("release_group", 3),
        ("state", "gone"),
    ],
)
def test_the_database_refuses_what_cannot_be_true(
    few: Registry,  # noqa: ARG001 - there are organisations
    superuser: psycopg.Connection,
    column: str,
    value: object,
) -> None:
    statement = sql.SQL("update platform.organisation set {} = %s where code = '011002'")
    with pytest.raises(errors.CheckViolation):
        superuser.execute(statement.format(sql.Identifier(column)), (value,))


def test_the_declared_tables_are_the_migrated_ones(database: Database) -> None:
    assert people.Contact.metadata is delegations.DelegationDeclaration.metadata is SharedBase.metadata
    inspector = inspect(database.engine(ProcessKind.PROVISIONER))
    for name in GRANTS:
        declared = SharedBase.metadata.tables[f"platform.{name}"]
        found = {column["name"]: column for column in inspector.get_columns(name, schema="platform")}
        assert list(found) == [column.name for column in declared.columns], name
        for column in declared.columns:
            assert found[column.name]["nullable"] is column.nullable, f"{name}.{column.name}"
            dialect = inspector.bind.dialect
            assert str(found[column.name]["type"].compile(dialect)) == str(column.type.compile(dialect)), column
        assert _keys(declared) == inspector.get_pk_constraint(name, schema="platform")["constrained_columns"]


def _keys(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns]
