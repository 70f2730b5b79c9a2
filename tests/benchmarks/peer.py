"""django-tenants as the peer: the same tables, made and migrated as its users do, on the same server.

It lives in a virtual environment of its own under a temporary folder, for the time of one benchmark: nothing of it is
a dependency of ours. Where its packages cannot be fetched the comparison is left out, and the report says so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.secrets import new_password

#: What it is made of, the driver in our own version.
PINNED = (
    "asgiref==3.13.0",
    "django==5.2.19",
    "django-tenants==4.0.1",
    "psycopg==3.3.9",
    "psycopg-binary==3.3.9",
    "sqlparse==0.6.1",
    "typing-extensions==4.16.0",
)

_PROJECT = Path(__file__).parent / "django_peer"
_DATABASE = _USER = "django_peer"
_INSTALL_SECONDS = 300


class Peer:
    """A process of django-tenants that waits for commands, with everything imported, on one connection."""

    name = "django-tenants 4.0.1"

    def __init__(self, process: subprocess.Popen[str], address: dict[str, str]) -> None:
        """Let *process* prepare the database at *address*."""
        self._process = process
        self._do(json.dumps(address))

    def create(self, tenants: int) -> int:
        """Make as many tenants, each with its schema."""
        return self._do(f"create {tenants}")

    def release(self) -> int:
        """Bring the next release, one column and one index, to every tenant; return how many they are."""
        return self._do("release")

    def migrate(self) -> int:
        """Bring what there is, which every tenant has; return how many they are."""
        return self._do("migrate")

    def _do(self, command: str) -> int:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the peer has no pipes")
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def peer(cluster: EmbeddedCluster) -> Iterator[Peer | None]:
    """Lend django-tenants with a database of its own on *cluster*; None where it cannot be installed."""
    with tempfile.TemporaryDirectory(prefix="chukan-peer-") as folder:
        project = Path(folder) / "project"
        shutil.copytree(_PROJECT, project)
        python = _installed(Path(folder) / "venv")
        if python is None:
            yield None
            return
        address = _database(cluster)
        with subprocess.Popen(
            [python, "serve.py"], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Peer(process, address)
            finally:
                process.kill()


def _installed(folder: Path) -> Path | None:
    """Return the interpreter of a new virtual environment that holds exactly what is pinned."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", *PINNED]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failure:
        told = str(failure.stderr or failure).strip().splitlines()
        print(f"SKIPPED: the comparison with {Peer.name}, which could not be installed: {told[-1]}", file=sys.stderr)
        return None
    return python


def _database(cluster: EmbeddedCluster) -> dict[str, str]:
    """Make a database with a log-in that owns it, and return it in Django's words."""
    password, name = new_password(), sql.Identifier(_DATABASE)
    with psycopg.connect(cluster.superuser_conninfo(), autocommit=True) as superuser:
        superuser.execute(sql.SQL("create role {} login password {}").format(name, sql.Literal(password)))
        superuser.execute(sql.SQL("create database {0} owner {0}").format(name))
    host = cluster.address()
    return {"NAME": _DATABASE, "USER": _USER, "PASSWORD": password, "HOST": host["host"], "PORT": host["port"]}
