"""The migration makes the tables that are declared, with their indexes, and nothing that is multiplied in vain."""

from __future__ import annotations

import pytest
from sqlalchemy import Table

from chukan.tenants.middleserver.inquiries import tables
from chukan.tenants.releases.schema import TenantBase
from support.inquiries import Asking

TABLES = [
    tables.InquiryReceptionRow,
    tables.InquiryRow,
    tables.InquiryEventRow,
    tables.InquiryAnswerRow,
    tables.InquiryPaceRow,
]
_SHAPE = """
    select (select reltoastrelid <> 0 from pg_class where oid = '{{}}.{table}'::regclass),
        (select array_agg(attname::text order by attname) from pg_attribute
            where attrelid = '{{}}.{table}'::regclass and attnum > 0),
        (select array_agg(c.relname::text order by c.relname) from pg_index i join pg_class c on c.oid = i.indexrelid
            where i.indrelid = '{{}}.{table}'::regclass)
"""


@pytest.mark.parametrize("row", TABLES, ids=lambda row: str(row.__tablename__))
def test_a_table_is_the_declared_one_and_answers_alone_may_be_large(asking: Asking, row: type[TenantBase]) -> None:
    table = row.__table__
    assert isinstance(table, Table)
    schema = str(asking.wire.place.ask("select schema from platform.tenant where id = %s", asking.tenant)[0][0])
    shape = _SHAPE.format(table=table.name).replace("{}", schema)
    ((toast, columns, indexes),) = asking.wire.place.ask(shape)
    assert toast is (table.name == "inquiry_answer")
    assert columns == sorted(column.name for column in table.columns)
    unique = {str(each.name) for each in table.constraints if each.name and str(each.name).endswith("_key")}
    assert indexes == sorted({str(each.name) for each in table.indexes} | unique | {f"{table.name}_pk"})
