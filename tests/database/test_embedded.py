"""The embedded server: how it is made, who runs it, and what it survives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import ValidationError

from chukan.platform.database.embedded import EmbeddedCluster, server_parameters
from chukan.platform.database.errors import DirectoryUnusable, ServerNotStarted
from chukan.platform.settings import EmbeddedSettings

PROGRAM = """
import sys, time
from pathlib import Path
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.settings import EmbeddedSettings
with EmbeddedCluster(EmbeddedSettings(directory=Path(sys.argv[1]))).running():
    print("running", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="chukan-embedded-"))
    folder.chmod(0o755)
    yield folder
    EmbeddedCluster(EmbeddedSettings(directory=folder / "pg")).stop()
    shutil.rmtree(folder, ignore_errors=True)


def _cluster(home: Path, **settings: object) -> EmbeddedCluster:
    return EmbeddedCluster(EmbeddedSettings.model_validate({"directory": home / "pg", **settings}))


def _ask(cluster: EmbeddedCluster, question: str) -> object:
    with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as connection:
        row = connection.execute(question).fetchone()
        return row and row[0]


def test_a_new_cluster_asks_everybody_for_a_scram_password(home: Path) -> None:
    with _cluster(home).running() as cluster:
        assert _ask(cluster, "select array_agg(distinct auth_method) from pg_hba_file_rules") == ["scram-sha-256"]
        assert _ask(cluster, "select rolpassword ~ '^SCRAM-SHA-256' from pg_authid where rolname = 'postgres'") is True
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(make_conninfo("", **cluster.address(), user="postgres", dbname="postgres"))


def test_a_new_cluster_has_checksums_and_the_c_utf8_locale(home: Path) -> None:
    with _cluster(home).running() as cluster:
        assert _ask(cluster, "show data_checksums") == "on"
        assert _ask(cluster, "select datlocale from pg_database where datname = 'template0'") == "C.UTF-8"
        assert _ask(cluster, "select lower('ＡＢＣ') || upper('é')") == "ａｂｃÉ"


def test_every_parameter_that_we_set_is_in_force(home: Path) -> None:
    with _cluster(home).running() as cluster, psycopg.connect(cluster.superuser_conninfo()) as connection:
        for name, value in server_parameters(EmbeddedSettings(directory=home / "pg"), cluster.sockets).items():
            row = connection.execute("select current_setting(%s)", (name,)).fetchone()
            assert row is not None
            assert row[0].lower() in {value.lower(), value.replace("MB", "").lower()}, name


def test_tcp_is_off_unless_a_port_is_set(home: Path) -> None:
    with _cluster(home).running() as cluster:
        assert _ask(cluster, "show listen_addresses") == ""
    with _cluster(home, port=54_329).running() as cluster:
        with psycopg.connect(cluster.superuser_conninfo(), host="127.0.0.1") as connection:
            assert connection.info.port == 54_329
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(host="127.0.0.1", port=54_329, user="postgres", dbname="postgres")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the server as somebody else")
def test_root_runs_the_server_as_an_unprivileged_user(home: Path) -> None:
    with _cluster(home).running() as cluster:
        pid = cluster.server_pid()
        assert Path(f"/proc/{pid}").owner() == "nobody"
        assert (cluster.data.stat().st_mode & 0o777) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the server as somebody else")
def test_a_folder_that_the_servers_user_cannot_reach_is_refused_with_what_to_do(home: Path) -> None:
    home.chmod(0o700)
    with pytest.raises(DirectoryUnusable) as refused:
        _cluster(home).start()
    assert "nobody" in refused.value.hinted()


def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_made(home: Path) -> None:
    deep = home / ("x" * 100)
    with pytest.raises(DirectoryUnusable):
        EmbeddedCluster(EmbeddedSettings(directory=deep)).start()
    assert not deep.exists()


def test_the_server_survives_a_killed_program_and_the_next_one_adopts_it(home: Path) -> None:
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(home / "pg")], stdout=subprocess.PIPE, text=True)
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "running\n"
        cluster = _cluster(home)
        _ask_nothing(cluster, "create table kept (a int)")
        _ask_nothing(cluster, "insert into kept values (42)")
        served_by = cluster.server_pid()
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert cluster.server_pid() == served_by
    with cluster.running():
        assert cluster.server_pid() == served_by
        assert _ask(cluster, "select a from kept") == 42
    assert not cluster.is_running()


def test_a_second_program_uses_the_server_and_does_not_stop_it(home: Path) -> None:
    with _cluster(home).running() as first:
        with _cluster(home).running() as second:
            assert _ask(second, "select 1") == 1
        assert _ask(first, "select 1") == 1


def test_a_killed_server_comes_back_with_what_was_committed(home: Path) -> None:
    with _cluster(home).running() as cluster:
        _ask_nothing(cluster, "create table kept (a int)")
        _ask_nothing(cluster, "insert into kept values (42)")
        pid = cluster.server_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30  # noqa: TID251 - a test's own patience
        while cluster.is_running() and time.monotonic() < deadline:  # noqa: TID251
            time.sleep(0.05)
        cluster.start()
        assert cluster.server_pid() != pid
        assert _ask(cluster, "select a from kept") == 42


def test_a_server_that_does_not_start_says_where_its_log_is(home: Path) -> None:
    with _cluster(home).running() as cluster:
        pass
    with (cluster.data / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_parameter = 1\n")
    with pytest.raises(ServerNotStarted) as failed:
        cluster.start()
    assert str(cluster.log) in failed.value.hinted()
    assert "no_such_parameter" in cluster.log.read_text()


def test_bounds_of_the_settings_are_checked() -> None:
    with pytest.raises(ValidationError):
        EmbeddedSettings(port=70_000)


def _ask_nothing(cluster: EmbeddedCluster, statement: str) -> None:
    with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as connection:
        connection.execute(statement)
