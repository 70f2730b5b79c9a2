"""The migrations make the tables that are declared, with their indexes, and nothing that is multiplied in vain."""

from __future__ import annotations

import pytest

from chukan.tenants.middleserver.provision_records.tables import ProvisionRecordRow
from chukan.tenants.middleserver.provisions.tables import ProvisionBarRow, ProvisionEventRow, ProvisionRow
from chukan.tenants.releases.schema import TenantBase
from support.provisions import Provider

TABLES = [ProvisionRow, ProvisionEventRow, ProvisionBarRow, ProvisionRecordRow]
SHAPE = """
    select (select reltoastrelid from pg_class where oid = '{{}}.{table}'::regclass)::bigint,
        (select array_agg(attname::text order by attname) from pg_attribute
            where attrelid = '{{}}.{table}'::regclass and attnum > 0),
        (select array_agg(c.relname::text order by c.relname) from pg_index i join pg_class c on c.oid = i.indexrelid
            where i.indrelid = '{{}}.{table}'::regclass)
"""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.__tablename__))
def test_a_table_is_the_declared_one_and_has_no_further_one_behind_it(
    provider: Provider, table: type[TenantBase]
) -> None:
    declared = TenantBase.metadata.tables[table.__tablename__]
    schema = str(provider.wire.place.ask("select schema from platform.tenant where id = %s", provider.tenant)[0][0])
    shape = SHAPE.format(table=table.__tablename__).replace("{}", schema)
    ((toast, columns, indexes),) = provider.wire.place.ask(shape)
    assert toast == 0
    assert columns == sorted(column.name for column in declared.columns)
    unique = {str(each.name) for each in declared.constraints if each.name and str(each.name).endswith("_key")}
    named = {str(each.name) for each in declared.indexes} | unique | {f"{table.__tablename__}_pk"}
    assert indexes == sorted(named)
