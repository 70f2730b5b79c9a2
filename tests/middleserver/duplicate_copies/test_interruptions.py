"""The night killed at any point, the disk full, the database restarted: nothing is lost, doubled, or half visible."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from psycopg import OperationalError as PsycopgOperationalError
from psycopg import sql
from psycopg.errors import DiskFull
from sqlalchemy.exc import OperationalError

from chukan.platform.database.engines import driver
from chukan.platform.database.roles import ProcessKind
from chukan.tenants.middleserver.duplicate_copies import loading
from chukan.tenants.middleserver.duplicate_copies.night import Outcome
from chukan.tenants.middleserver.duplicate_copies.rules import FileForm, UploadState
from support.copies import RIGHT_ITEMS, Organisation, Row, deletion, right_row
from support.program import ended

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def place(place: Organisation) -> Organisation:
    """An organisation that a process of its own reaches by the vault's credential."""
    with place.safe.database.engine(ProcessKind.PROVISIONER).begin() as connection:
        credentials = place.safe.credentials(place.safe.vault(ProcessKind.PROVISIONER), ProcessKind.PROVISIONER)
        password = place.safe.database.credentials.password(place.tenant)
        credentials.store(driver(connection), place.tenant, password)
    return place


def night(place: Organisation, where: str, count: int) -> subprocess.CompletedProcess[str]:
    """Run a night in a process of its own; see ``stage_and_die.py``."""
    program = Path(__file__).parent / "stage_and_die.py"
    settings = place.safe.database.settings.model_dump_json()
    return ended(program, settings, str(place.safe.key_file), str(place.tenant), where, str(count), "1500")


@contextmanager
def small_disk(place: Organisation) -> Iterator[Path]:
    """Keep the organisation's copies on a disk of 256 KiB, and take them back from it at the end."""
    database = place.safe.database
    server = database.cluster.data.stat()
    disk = Path(tempfile.mkdtemp(prefix="chukan-disk-"))
    options = f"size=256k,mode=0700,uid={server.st_uid},gid={server.st_gid}"
    with ExitStack() as after:
        after.callback(disk.rmdir)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)
        after.callback(subprocess.check_call, ["umount", disk])
        superuser = after.enter_context(database.superuser())
        (schema,) = (
            superuser.execute("select schema from platform.tenant where id = %s", (place.tenant,)).fetchone() or ()
        )
        table = sql.Identifier(schema, "duplicate_copy")
        superuser.execute(sql.SQL("create tablespace small location {}").format(str(disk)))
        after.callback(superuser.execute, "drop tablespace small")
        superuser.execute(sql.SQL("alter table {} set tablespace small").format(table))
        after.callback(superuser.execute, sql.SQL("alter table {} set tablespace pg_default").format(table))
        yield disk


def income(value: int) -> dict[str, Sequence[str]]:
    return {**RIGHT_ITEMS, "INCOME": [str(value)]}


@pytest.mark.parametrize("form", list(FileForm))
@pytest.mark.parametrize(
    ("where", "count"), [("inside", 1), ("inside", 3), ("between", 2), ("validated", 1), ("switch", 1), ("tidying", 1)]
)
def test_a_night_killed_anywhere_goes_on_where_it_was(
    place: Organisation, form: FileForm, where: str, count: int
) -> None:
    rows: list[Row] = [right_row(number, items=income(number)) for number in range(1, 41)]
    upload = place.send_rows(rows, form=form)
    killed = night(place, where, count)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    visible = place.uploads.status(place.tenant, upload.id).state is UploadState.REGISTERED
    assert visible == (where == "tidying")
    assert len(place.found(1)) == visible
    resumed = place.register()
    assert [file.registered for file in resumed.files] == ([] if visible else [40])
    assert place.count("duplicate_copy") == 40
    assert place.count("upload_piece") == 0
    assert [place.found(number)[0]["INCOME"] for number in (1, 17, 40)] == [["1"], ["17"], ["40"]]


def test_a_night_killed_while_it_clears_a_revision_away_shows_the_newest_all_the_time(place: Organisation) -> None:
    place.send_rows([right_row(number, items=income(1)) for number in range(1, 11)])
    place.register()
    place.send_rows([*(right_row(number, items=income(2)) for number in range(1, 9)), deletion(9), deletion(10)])
    killed = night(place, "compacting", 1)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert place.found(1)[0]["INCOME"] == ["2"]
    assert place.found(9) == []
    assert place.count("duplicate_copy") == 20
    place.register()
    assert place.found(1)[0]["INCOME"] == ["2"]
    assert place.found(10) == []
    assert place.count("duplicate_copy") == 8


def test_a_refused_file_of_a_killed_night_leaves_no_rows(place: Organisation) -> None:
    rows = [right_row(number, region="999" if number == 40 else "210") for number in range(1, 41)]
    place.send_rows(rows)
    killed = night(place, "between", 3)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert 0 < place.count("duplicate_copy") < 40
    assert place.register().files[0].outcome is Outcome.REFUSED
    assert place.count("duplicate_copy") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a disk that is small enough to be filled")
def test_a_full_disk_fails_the_night_and_loses_nothing(place: Organisation) -> None:
    upload = place.send_rows([right_row(number) for number in range(1, 2001)])
    with small_disk(place) as disk:
        with pytest.raises(DiskFull):
            place.register()
        assert place.count("duplicate_copy") < 2000
        assert place.uploads.status(place.tenant, upload.id).state is UploadState.STAGING
        assert place.found(1) == []
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        assert place.register().files[0].outcome is Outcome.REGISTERED
        assert place.count("duplicate_copy") == 2000
        assert len(place.found(2000)) == 1


def test_a_database_that_ends_every_session_in_the_night_is_gone_on_with(
    place: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chukan.tenants.middleserver.duplicate_copies.csv_reader._BLOCK", 4_000)
    place.send_rows([right_row(number) for number in range(1, 41)])
    with place.safe.database.superuser() as superuser:
        role = superuser.execute("select role from platform.tenant where id = %s", (place.tenant,)).fetchone()
        calls = 0
        load = loading.load

        def interrupted(connection: object, packed: bytes) -> None:
            nonlocal calls
            calls += 1
            if calls == 2:
                superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", role)
            load(connection, packed)  # type: ignore[arg-type]

        monkeypatch.setattr(loading, "load", interrupted)
        with pytest.raises((OperationalError, PsycopgOperationalError), match=r"terminat|closed|connection"):
            place.register()
    assert place.register().files[0].registered == 40
    assert place.count("duplicate_copy") == 40
