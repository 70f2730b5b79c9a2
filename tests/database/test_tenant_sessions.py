"""The LRU of tenant connections: isolation, bounds, waiting, and what it does when things break."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import event, func, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chukan.platform.database.errors import (
    CredentialMissing,
    PlacementUnsupported,
    SecretExposed,
    SecretMissing,
    TenantSessionsSaturated,
    TenantUnknown,
)
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.secrets import new_password, process_password, set_password
from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.identifiers import PLATFORM, TenantId
from chukan.platform.settings import DatabaseSettings
from support.database import Database

BACKEND = text("select pg_backend_pid()")


class _Base(DeclarativeBase):
    pass


class _SecretFact(_Base):
    __tablename__ = "secret_fact"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.uuidv7())
    content: Mapped[str | None]


def _backend(sessions: TenantSessions, tenant: TenantId) -> int:
    with sessions.connection(tenant) as connection:
        return int(connection.execute(BACKEND).scalar_one())


def test_each_tenant_sees_its_own_rows_and_no_others(database: Database) -> None:
    sessions = database.sessions()
    tenants = [database.create_tenant() for _ in range(3)]
    for number, tenant in enumerate(tenants):
        with sessions.begin(tenant.tenant) as connection:
            connection.execute(text("insert into secret_fact (content) values (:c)"), {"c": f"of {number}"})
    for number, tenant in enumerate(tenants):
        with sessions.connection(tenant.tenant) as connection:
            assert connection.execute(text("select content from secret_fact")).scalars().all() == [f"of {number}"]
            assert connection.execute(text("select session_user")).scalar_one() == tenant.role


def test_an_orm_session_commits_at_its_end_and_rolls_back_on_failure(database: Database) -> None:
    sessions, tenant = database.sessions(), database.create_tenant().tenant
    with sessions.session(tenant) as session:
        session.add(_SecretFact(content="kept"))
    with pytest.raises(IntegrityError), sessions.session(tenant) as session:
        session.add_all([_SecretFact(content="lost"), _SecretFact(content=None)])
    with sessions.session(tenant) as session:
        assert [fact.content for fact in session.query(_SecretFact)] == ["kept"]


def test_what_is_not_committed_is_gone_with_the_loan(database: Database) -> None:
    sessions, tenant = database.sessions(), database.create_tenant().tenant
    with sessions.connection(tenant) as connection:
        connection.execute(text("insert into secret_fact (content) values ('lost')"))
    with sessions.connection(tenant) as connection:
        assert connection.execute(text("select count(*) from secret_fact")).scalar_one() == 0


def test_a_hot_tenant_keeps_its_connection(database: Database) -> None:
    sessions, tenant = database.sessions(), database.create_tenant().tenant
    assert len({_backend(sessions, tenant) for _ in range(20)}) == 1
    assert sessions.statistics().opened == 1


def test_a_tenants_connection_is_never_lent_to_another(database: Database) -> None:
    sessions = database.sessions(max_open=1)
    first, second = database.create_tenant().tenant, database.create_tenant().tenant
    assert _backend(sessions, first) != _backend(sessions, second)
    assert sessions.statistics().open == 1
    assert sessions.statistics().evicted == 1


def test_a_statement_that_runs_too_long_is_ended(database: Database) -> None:
    sessions, tenant = database.sessions(statement_timeout_ms=100), database.create_tenant().tenant
    slow = text("select count(*) from generate_series(1, 100000000)")
    with sessions.connection(tenant) as connection, pytest.raises(DBAPIError, match="statement timeout"):
        connection.execute(slow)


def test_a_lock_that_is_waited_for_too_long_is_given_up(database: Database) -> None:
    sessions, tenant = database.sessions(lock_timeout_ms=100), database.create_tenant().tenant
    with sessions.begin(tenant) as connection:
        connection.execute(text("insert into secret_fact (content) values ('x')"))
    update = text("update secret_fact set content = 'y'")
    with sessions.connection(tenant) as holder, sessions.connection(tenant) as waiter:
        holder.execute(update)
        with pytest.raises(DBAPIError, match="lock timeout"):
            waiter.execute(update)


def test_settings_stored_on_a_role_do_not_reach_its_sessions(database: Database) -> None:
    sessions, tenant = database.sessions(), database.create_tenant().tenant
    with sessions.begin(tenant) as connection:
        connection.execute(text("alter role current_user set statement_timeout = 0"))
        connection.execute(text("alter role current_user set search_path = pg_catalog"))
    sessions.close()
    with database.sessions().connection(tenant) as connection:
        assert connection.execute(text("show statement_timeout")).scalar_one() == "30s"
        assert connection.execute(text("select count(*) from secret_fact")).scalar_one() == 0


def test_the_pool_never_holds_more_than_its_bound(database: Database) -> None:
    tenants = [database.create_tenant().tenant for _ in range(8)]
    sessions = database.sessions(max_open=3, wait_seconds=20)
    most = 0

    def work(tenant: TenantId) -> None:
        nonlocal most
        for _ in range(5):
            with sessions.connection(tenant) as connection:
                connection.execute(BACKEND)
                most = max(most, sessions.statistics().open)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, tenants))
    assert most <= 3
    with database.superuser() as superuser:
        backends = superuser.execute(
            "select count(*) from pg_stat_activity where usename ~ '^org_' and datname = %s", (database.settings.name,)
        ).fetchone()
    assert backends is not None
    assert backends[0] <= 3


def test_one_tenant_cannot_take_all_connections(database: Database) -> None:
    sessions = database.sessions(max_open=3, max_per_tenant=2, wait_seconds=0.2)
    greedy, modest = database.create_tenant().tenant, database.create_tenant().tenant
    with sessions.connection(greedy), sessions.connection(greedy):
        with pytest.raises(TenantSessionsSaturated), sessions.connection(greedy):
            pass
        assert _backend(sessions, modest)


def test_a_saturated_pool_answers_503_with_when_to_come_back(database: Database) -> None:
    sessions = database.sessions(max_open=1, wait_seconds=0.2)
    first, second = database.create_tenant().tenant, database.create_tenant().tenant
    with (
        sessions.connection(first),
        pytest.raises(TenantSessionsSaturated) as refused,
        sessions.connection(second),
    ):
        pass
    assert refused.value.http_status == 503
    assert refused.value.retryable
    assert refused.value.values["retry_after_seconds"] == 1
    assert sessions.statistics().refused == 1


def test_a_full_line_refuses_at_once(database: Database) -> None:
    sessions = database.sessions(max_open=1, max_waiting=0, wait_seconds=60)
    tenant = database.create_tenant().tenant
    with sessions.connection(tenant), pytest.raises(TenantSessionsSaturated), sessions.connection(tenant):
        pass


def test_waiters_are_served_in_the_order_of_their_arrival(database: Database) -> None:
    sessions = database.sessions(max_open=1, wait_seconds=20)
    tenant = database.create_tenant().tenant
    served: list[int] = []

    def wait_for(number: int) -> None:
        with sessions.connection(tenant):
            served.append(number)

    threads = []
    with sessions.connection(tenant):
        for number in range(5):
            thread = threading.Thread(target=wait_for, args=(number,))
            thread.start()
            threads.append(thread)
            while sessions.statistics().waiting <= number:
                pass
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4]


def test_an_idle_connection_is_closed_after_its_time(database: Database) -> None:
    seconds = [0.0]
    sessions, tenant = _timed(database, seconds, max_idle_seconds=60), database.create_tenant().tenant
    first = _backend(sessions, tenant)
    seconds[0] = 59
    assert _backend(sessions, tenant) == first
    seconds[0] = 120
    sessions.sweep()
    assert sessions.statistics().open == 0


def test_an_old_connection_is_replaced(database: Database) -> None:
    seconds = [0.0]
    sessions = _timed(database, seconds, max_age_seconds=100, max_idle_seconds=1000)
    tenant = database.create_tenant().tenant
    first = _backend(sessions, tenant)
    seconds[0] = 101
    assert _backend(sessions, tenant) == first  # found too old when it comes back
    assert _backend(sessions, tenant) != first


def test_a_backend_that_grew_too_large_is_replaced(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chukan.platform.database.tenant_sessions._MEASURE_EVERY", 1)
    sessions, tenant = database.sessions(max_backend_mb=0.5), database.create_tenant().tenant
    assert _backend(sessions, tenant) != _backend(sessions, tenant)
    assert sessions.statistics().open == 0


def test_the_backends_together_stay_below_their_bound_of_memory(database: Database) -> None:
    sessions = database.sessions(max_total_mb=5)  # a fresh backend counts as 2 MiB
    for _ in range(4):
        _backend(sessions, database.create_tenant().tenant)
    statistics = sessions.statistics()
    assert statistics.open == 2
    assert statistics.bytes <= 5 << 20


def test_a_broken_connection_is_replaced_and_does_not_leak_its_place(database: Database) -> None:
    sessions, tenant = database.sessions(max_open=1), database.create_tenant().tenant
    with database.superuser() as superuser:
        superuser.execute("select pg_terminate_backend(%s)", (_backend(sessions, tenant),))
    with pytest.raises(OperationalError):
        _backend(sessions, tenant)
    assert _backend(sessions, tenant)
    assert sessions.statistics().open == 1


def test_a_failed_opening_gives_its_place_back(database: Database) -> None:
    sessions = database.sessions(max_open=1)
    for _ in range(3):
        with pytest.raises(TenantUnknown), sessions.connection(PLATFORM):
            pass
    assert sessions.statistics().open == 0
    assert _backend(sessions, database.create_tenant().tenant)


def test_a_rotated_password_is_asked_for_once_more(database: Database) -> None:
    tenant = database.create_tenant()
    source = _Stale(database, tenant.tenant)
    sessions = TenantSessions(database.settings, database.engine(ProcessKind.WORKER), source)
    rotated = new_password()
    with database.login(ProcessKind.PROVISIONER) as connection:
        set_password(connection, tenant.role, rotated)
    source.fresh = rotated
    assert _backend(sessions, tenant.tenant)
    assert source.forgotten == 1
    sessions.close()


def test_where_a_tenant_lives_is_asked_once_a_minute(database: Database) -> None:
    seconds = [0.0]
    sessions, tenant = _timed(database, seconds, max_open=1), database.create_tenant().tenant
    other = database.create_tenant().tenant
    asked: list[str] = []
    event.listen(sessions.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    for each in (tenant, other, tenant, other):
        _backend(sessions, each)
    placements = [query for query in asked if "platform.tenant" in query]
    assert (sessions.statistics().opened, len(placements)) == (4, 2)
    seconds[0] = 61
    _backend(sessions, tenant)
    assert len([query for query in asked if "platform.tenant" in query]) == 3


def test_a_tenant_that_is_gone_is_not_remembered(database: Database) -> None:
    placement = database.create_tenant()
    sessions = database.sessions(max_open=1)
    _backend(sessions, placement.tenant)
    _backend(sessions, database.create_tenant().tenant)
    with database.superuser() as superuser:
        superuser.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(placement.schema)))
        superuser.execute("delete from platform.tenant where id = %s", (placement.tenant,))
        superuser.execute(sql.SQL("drop owned by {}").format(sql.Identifier(placement.role)))
        superuser.execute(sql.SQL("drop role {}").format(sql.Identifier(placement.role)))
    with pytest.raises(TenantUnknown):
        _backend(sessions, placement.tenant)


def test_the_shipped_bounds_fit_the_shipped_server() -> None:
    """The gateway and four jobs of a worker at once, with a hundred and fifty connections left over."""
    settings = DatabaseSettings()
    bounds = settings.tenant_sessions
    assert 5 * bounds.max_open + 150 <= settings.embedded.max_connections
    # A backend that has served holds about three MiB.
    assert 3 * bounds.max_open <= bounds.max_total_mb


class _Stale:
    """A source that cached the password before its rotation."""

    def __init__(self, database: Database, tenant: TenantId) -> None:
        self.cached: str | None = database.credentials.password(tenant)
        self.fresh = ""
        self.forgotten = 0

    def password(self, _tenant: TenantId) -> str:
        return self.cached or self.fresh

    def forget(self, _tenant: TenantId) -> None:
        self.cached = None
        self.forgotten += 1


def test_a_tenant_on_another_cluster_is_refused_with_its_name(database: Database) -> None:
    tenant = database.create_tenant().tenant
    with database.superuser() as superuser:
        superuser.execute("update platform.tenant set cluster = 'osaka' where id = %s", (tenant,))
    with pytest.raises(PlacementUnsupported) as refused, database.sessions().connection(tenant):
        pass
    assert refused.value.values["cluster"] == "osaka"


def test_a_process_without_credentials_opens_no_tenant(database: Database) -> None:
    tenant = database.create_tenant().tenant
    database.credentials._passwords.clear()
    with pytest.raises(CredentialMissing), database.sessions().connection(tenant):
        pass


def test_a_closed_pool_lends_nothing_and_leaves_no_connection(database: Database) -> None:
    sessions, tenant = database.sessions(), database.create_tenant().tenant
    with sessions.connection(tenant):
        sessions.close()
    with pytest.raises(TenantSessionsSaturated), sessions.connection(tenant):
        pass
    assert sessions.statistics().open == 0


@pytest.mark.parametrize("kind", [kind for kind in ProcessKind if kind is not ProcessKind.PROVISIONER])
def test_no_processs_own_log_in_enters_a_tenants_schema(database: Database, kind: ProcessKind) -> None:
    tenant = database.create_tenant()
    query = sql.SQL("select * from {}.secret_fact").format(sql.Identifier(tenant.schema))
    with database.login(kind) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(query)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(tenant.role)))


def test_a_process_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretMissing):
        process_password(tmp_path, ProcessKind.CONSOLE)
    (tmp_path / "console.password").write_text("x")
    (tmp_path / "console.password").chmod(0o640)
    with pytest.raises(SecretExposed):
        process_password(tmp_path, ProcessKind.CONSOLE)


def test_a_password_that_systemd_gives_shows_its_access_list_as_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "console.password").write_text("x")
    (tmp_path / "console.password").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert process_password(tmp_path, ProcessKind.CONSOLE) == "x"
    (tmp_path / "console.password").chmod(0o444)
    with pytest.raises(SecretExposed):
        process_password(tmp_path, ProcessKind.CONSOLE)


def _timed(database: Database, seconds: list[float], **limits: float) -> TenantSessions:
    bounds = database.settings.tenant_sessions.model_copy(update=limits)
    settings = database.settings.model_copy(update={"tenant_sessions": bounds})
    sessions = TenantSessions(
        settings, database.engine(ProcessKind.WORKER), database.credentials, now=lambda: seconds[0]
    )
    database.at_close(sessions.close)
    return sessions
