from sqlalchemy import text

from support.database import Database


def test_a_tenant_reaches_its_own_rows_through_its_session(database: Database) -> None:
    tenant = database.create_tenant()
    sessions = database.sessions()
    with sessions.begin(tenant.tenant) as connection:
        connection.execute(text("insert into secret_fact (content) values ('a')"))
    with sessions.connection(tenant.tenant) as connection:
        assert connection.execute(text("select content from secret_fact")).scalars().all() == ["a"]
        assert connection.execute(text("select platform_api.session_memory()")).scalar_one() > 100_000
