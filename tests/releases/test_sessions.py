"""A release's sessions: each serves many schemas, and outlives none that the server ends."""

from __future__ import annotations

from chukan.platform.database.roles import ProcessKind
from chukan.tenants.releases.rendering import head, render, revisions
from chukan.tenants.releases.service import Applied, Releaser, Report
from support.database import Database
from support.tenants import provisioned


def test_a_session_that_the_server_ends_fails_one_schema_and_a_rerun_mends_it(database: Database) -> None:
    for _ in range(4):
        provisioned(database, render(None, revisions()[0][0]))
    engine = database.engine(ProcessKind.PROVISIONER)
    releaser = Releaser(engine, database.names, actor="system:test", request="test")
    told: list[Applied] = []

    def end_the_session(applied: Applied) -> None:
        told.append(applied)
        if len(told) == 1:
            with database.superuser() as superuser:
                superuser.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where usename = 'chukan_provisioner' and datname = current_database()"
                )

    assert releaser.apply(None, workers=1, progress=end_the_session) == Report(done=3, already=0, failed=1)
    assert told == [Applied.DONE, Applied.FAILED, Applied.DONE, Applied.DONE]
    assert releaser.apply(None) == Report(done=1, already=0, failed=0)
    with database.superuser() as superuser:
        assert superuser.execute("select distinct revision from platform.tenant_release").fetchall() == [(head(),)]
