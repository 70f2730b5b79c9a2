"""Every local government of the country: provisioned, killed in the middle, resumed, released to."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chukan.platform.audit.actor import Actor
from chukan.platform.clock import SystemClock
from chukan.platform.database.check import check_database
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.settings import Settings, VaultSettings
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.fleet import provision, unprovisioned
from chukan.tenants.registry.organisations_file import shipped
from chukan.tenants.registry.service import Registry
from chukan.tenants.releases.rendering import head, render, revisions
from chukan.tenants.releases.service import Releaser
from support.database import Database
from support.vault import Safe

ORGANISATIONS = 1_788

PROGRAM = """
import os
import sys
from chukan.platform.clock import SystemClock
from chukan.platform.database.engines import process_engine
from chukan.platform.database.roles import ProcessKind
from chukan.platform.settings import Settings
from chukan.tenants.provisioning.desk import provisioner
from chukan.tenants.provisioning.fleet import provision, unprovisioned
from chukan.tenants.releases.rendering import render, revisions
settings = Settings.model_validate_json(sys.argv[1])
now = SystemClock().now()
waiting = unprovisioned(process_engine(settings.database, ProcessKind.PROVISIONER), now=now)
# One write for each: two threads tell at once.
told = lambda one: os.write(1, one.name.encode() + b"\\n")
with provisioner(settings, actor="system:test") as desk:
    provision(desk, waiting, render(None, revisions()[0][0]), now=now, actor="system:test", progress=told)
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_all_local_governments_are_provisioned_although_the_run_is_killed(database: Database, safe: Safe) -> None:
    settings = Settings(database=database.settings, vault=VaultSettings(key_file=safe.key_file))
    now = SystemClock().now()
    registry = Registry(Actor(database.engine(ProcessKind.CONSOLE), "system:test", "test"))
    assert registry.import_organisations(shipped(), "organisations.csv", now=now).created == ORGANISATIONS
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, settings.model_dump_json()], stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        for _ in range(ORGANISATIONS // 2):
            assert program.stdout.readline() == "DONE\n"
        program.kill()
    engine = database.engine(ProcessKind.PROVISIONER)
    first = render(None, revisions()[0][0])
    with provisioner(settings, actor="system:test") as desk:
        waiting = unprovisioned(engine, now=now)
        assert 0 < len(waiting) <= ORGANISATIONS // 2
        report = provision(desk, waiting, first, now=now, actor="system:test")
    # Those that the killed program had under way at the server may have ended in the meantime.
    assert report.done + report.already == len(waiting)
    with database.superuser() as superuser:
        row = superuser.execute(
            "select count(*), count(distinct tenant) from platform.organisation where state = 'active'"
        ).fetchone()
        assert row == (ORGANISATIONS, ORGANISATIONS)
        assert superuser.execute("select count(*) from platform.tenant").fetchone() == (ORGANISATIONS,)
        superuser.execute("update platform.organisation set release_group = 1 + (code::int / 10) % 2")
    releaser = Releaser(engine, RoleNames(), actor="system:test", request="test")
    groups = [releaser.apply(group) for group in (1, 2)]
    assert sum(group.done for group in groups) == ORGANISATIONS
    assert [group.failed for group in groups] == [0, 0]
    assert head() == revisions()[-1][0]
    assert [finding.name for finding in check_database(database.settings) if not finding.holds] == []
