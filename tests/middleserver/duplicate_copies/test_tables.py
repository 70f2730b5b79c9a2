"""The migration makes exactly the tables that are declared, with the privileges that they declare."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from chukan.platform.database.tenants import DATA_PRIVILEGES
from chukan.tenants.middleserver.duplicate_copies.tables import (
    SEALED_COLUMNS,
    CopyDayRow,
    DuplicateCopyRow,
    UploadErrorRow,
    UploadEventRow,
    UploadPieceRow,
    UploadRow,
)
from chukan.tenants.releases.schema import TenantBase, privileges_of
from support.copies import Organisation

TABLES = [UploadRow, UploadEventRow, UploadPieceRow, UploadErrorRow, DuplicateCopyRow, CopyDayRow]
SHAPE = """
    select a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = %(table)s::regclass and a.attnum > 0
    union all
    select conname, pg_get_constraintdef(oid), true, null from pg_constraint
    where conrelid = %(table)s::regclass and contype <> 'n'
    union all
    select c.relname, pg_get_indexdef(i.indexrelid, 1, true), i.indisunique, null
    from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = %(table)s::regclass
    order by 1, 2
"""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.__tablename__))
def test_the_migrated_table_is_the_declared_one(place: Organisation, table: type[TenantBase]) -> None:
    declared = TenantBase.metadata.tables[table.__tablename__]
    dialect = create_engine("postgresql+psycopg://").dialect
    with place.safe.database.superuser() as superuser:
        placement = superuser.execute("select schema, role from platform.tenant where id = %s", (place.tenant,))
        schema, role = placement.fetchone() or ("", "")
        superuser.execute("create schema if not exists declared")
        superuser.execute("set search_path to declared")
        superuser.execute(str(CreateTable(declared).compile(dialect=dialect)).encode())
        for index in declared.indexes:
            superuser.execute(str(CreateIndex(index).compile(dialect=dialect)).encode())
        expected = superuser.execute(SHAPE, {"table": f"declared.{declared.name}"}).fetchall()
        migrated = superuser.execute(SHAPE, {"table": f"{schema}.{declared.name}"}).fetchall()
        granted = superuser.execute(
            "select lower(a.privilege_type) from pg_class c cross join aclexplode(c.relacl) a "
            "where c.oid = %s::regclass and a.grantee = %s::regrole",
            (f"{schema}.{declared.name}", role),
        ).fetchall()
    assert migrated == expected
    assert {row[0] for row in granted} == set(privileges_of(declared))


def test_every_sealed_column_is_one_that_a_rotation_can_write() -> None:
    for sealed in SEALED_COLUMNS:
        table = TenantBase.metadata.tables[sealed.table]
        assert {sealed.column, sealed.id_column} <= set(table.columns.keys())
        assert privileges_of(table) == DATA_PRIVILEGES
