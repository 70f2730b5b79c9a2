"""Rendering: one script, without Alembic's habits, that leads to exactly what is declared."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from chukan.tenants.releases.errors import RevisionUnknown
from chukan.tenants.releases.rendering import head, render, revisions
from chukan.tenants.releases.schema import TenantBase, privileges_of
from chukan.wiring import SEALED
from support.database import Database
from support.tenants import provisioned

SHAPE = sql.SQL(
    """
    select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = {schema}::regnamespace and c.relkind = 'r'
    union all
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid), true, null
    from pg_constraint where connamespace = {schema}::regnamespace and contype <> 'n'
    union all
    select tablename, indexname, replace(indexdef, {schema}, ''), true, null
    from pg_indexes where schemaname = {schema}
    order by 1, 2, 3
    """
)


def _shape(superuser: psycopg.Connection, schema: str) -> list[tuple[Any, ...]]:
    superuser.execute(sql.SQL("set search_path to {}").format(sql.Identifier(schema)))
    return superuser.execute(SHAPE.format(schema=sql.Literal(schema))).fetchall()


def test_the_migrated_schema_is_the_declared_one(database: Database) -> None:
    tenant = provisioned(database)
    dialect = create_engine("postgresql+psycopg://").dialect
    with database.superuser() as superuser:
        superuser.execute("create schema declared")
        superuser.execute("set search_path to declared")
        for table in TenantBase.metadata.sorted_tables:
            superuser.execute(str(CreateTable(table).compile(dialect=dialect)))
            for index in table.indexes:
                superuser.execute(str(CreateIndex(index).compile(dialect=dialect)))
        migrated, declared = _shape(superuser, tenant.schema), _shape(superuser, "declared")
    assert migrated == declared
    assert {row[0] for row in migrated} == set(TenantBase.metadata.tables)


def test_the_granted_privileges_are_the_declared_ones(database: Database) -> None:
    tenant = provisioned(database)
    for table in TenantBase.metadata.sorted_tables:
        with database.superuser() as superuser:
            rows = superuser.execute(
                "select lower(a.privilege_type) from pg_class c cross join aclexplode(c.relacl) a "
                "where c.oid = %s::regclass and a.grantee = %s::regrole order by 1",
                (f"{tenant.schema}.{table.name}", tenant.role),
            ).fetchall()
        assert {row[0] for row in rows} == set(privileges_of(table)), table.name


def test_a_script_names_no_schema_and_keeps_no_version_table() -> None:
    statements = " ".join(render(None, head()).statements).lower()
    assert "alembic" not in statements
    assert re.search(r"\borg_[0-9a-z]{16}\b", statements) is None
    assert {"begin", "commit"}.isdisjoint(statement.split()[0].lower() for statement in render(None, head()).statements)


def test_what_is_sealed_stands_in_a_table_of_the_tenants() -> None:
    for each in SEALED:
        held = TenantBase.metadata.tables[each.table]
        columns = held.columns
        assert "update" in privileges_of(held), f"a rotation of the key seals {each} anew"
        assert {each.column, each.id_column} <= set(columns.keys()), each
        assert columns[each.id_column].primary_key, each


def test_the_way_by_each_revision_is_the_way_in_one_go() -> None:
    known = [revision for revision, _ in revisions()]
    steps: list[str] = []
    for old, new in zip([None, *known], known, strict=False):
        steps += render(old, new).statements
    assert tuple(steps) == render(None, head()).statements


def test_a_revision_that_nobody_knows_is_refused() -> None:
    for old, new in (("9999", head()), (None, "9999"), (head(), revisions()[0][0])):
        with pytest.raises(RevisionUnknown):
            render(old, new)
