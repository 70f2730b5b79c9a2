"""What the database's own errors become before anybody sees them."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chukan.platform.database.errors import DatabaseUnreachable, DataUnreachable, StatementStopped
from chukan.platform.database.failures import told
from chukan.platform.errors import ChukanError
from support.database import Database

FAILING = {
    "select * from {other}.secret_fact": DataUnreachable,
    "select * from org_aaaaaaaaaaaaaaaa.secret_fact": DataUnreachable,
    "select * from no_such_table": DataUnreachable,
    "set local statement_timeout = 1; select count(*) from generate_series(1, 100000000)": StatementStopped,
    "select 1 / 0": ChukanError,
}


@pytest.mark.parametrize("statement", FAILING)
def test_an_error_is_told_by_what_may_be_known_of_it(database: Database, statement: str) -> None:
    own, other = database.create_tenant(), database.create_tenant()
    failed = statement.replace("{other}", other.schema)
    with database.sessions().connection(own.tenant) as connection, pytest.raises(DBAPIError) as failure:
        connection.exec_driver_sql(failed, execution_options={"no_parameters": True})
    answer = told(failure.value)
    assert type(answer) is FAILING[statement]
    assert other.schema not in str(answer.as_json())


def test_what_exists_and_what_does_not_are_told_alike(database: Database) -> None:
    own, other = database.create_tenant(), database.create_tenant()
    answers = []
    for schema in (other.schema, "org_aaaaaaaaaaaaaaaa"):
        query = f"select * from {schema}.secret_fact"  # noqa: S608 - the attacker's own words
        with database.sessions().connection(own.tenant) as connection, pytest.raises(DBAPIError) as failure:
            connection.exec_driver_sql(query, execution_options={"no_parameters": True})
        answers.append({**told(failure.value).as_json(), "reference": ""})
    assert answers[0] == answers[1]


def test_a_duplicate_keys_value_is_not_told(database: Database) -> None:
    tenant = database.create_tenant().tenant
    insert = text("insert into secret_fact (id, content) values ('018f2c7d-0000-7000-8000-000000000001', 'x')")
    with database.sessions().connection(tenant) as connection:
        connection.execute(insert)
        with pytest.raises(DBAPIError) as failure:
            connection.execute(insert)
    answer = told(failure.value)
    assert "018f2c7d" not in f"{answer.as_json()} {answer.detail}"


def test_a_lost_connection_may_be_retried() -> None:
    assert isinstance(told(psycopg.OperationalError("gone")), DatabaseUnreachable)
    assert told(psycopg.errors.AdminShutdown("x")).retryable
    assert told(psycopg.errors.TooManyConnections("x")).retryable
