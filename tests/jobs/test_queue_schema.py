"""The queue's schema is the library's own, so that the library's next release is noticed."""

from __future__ import annotations

from importlib.resources import files

from chukan.platform.database.roles import ProcessKind
from repository.tree import ROOT
from support.jobs import Works

MIGRATION = ROOT / "platform/database/migrations/versions/0005_procrastinate.sql"
RULE = "-- " + "-" * 105 + "\n"


def test_the_queue_s_schema_is_that_of_the_installed_library() -> None:
    """If it is not, add a migration with what the library's ``sql/migrations`` bring, and then change this test."""
    ours = MIGRATION.read_text("utf-8").split(RULE)[2]
    assert ours == (files("procrastinate") / "sql/schema.sql").read_text("utf-8")


def test_the_library_s_licence_stands_with_its_text() -> None:
    assert "MIT License" in MIGRATION.read_text("utf-8").split(RULE)[1]


def test_the_queue_notifies_nobody(works: Works) -> None:
    calls = works.ask(
        "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
        "where n.nspname in ('procrastinate', 'platform', 'platform_api') and p.prosrc ~* 'notify'"
    )
    assert calls == []
    assert works.ask("select tgname from pg_trigger where tgname ~ 'notify'") == []


def test_everything_of_the_queue_belongs_to_the_owner_and_is_nobody_else_s_but_the_worker_s(works: Works) -> None:
    worker = works.database.names.process(ProcessKind.WORKER)
    assert works.ask(
        "select distinct coalesce(g.rolname, 'public') from pg_class c "
        "join pg_namespace n on n.oid = c.relnamespace cross join aclexplode(c.relacl) a "
        "left join pg_roles g on g.oid = a.grantee "
        "where n.nspname = 'procrastinate' and a.grantee <> c.relowner"
    ) == [(worker,)]
    assert works.ask(
        "select distinct r.rolname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "join pg_roles r on r.oid = c.relowner where n.nspname = 'procrastinate'"
    ) == [(works.database.names.owner,)]
