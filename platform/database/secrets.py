"""The passwords of the processes' log-ins: one file each, mode 0600, named after the process.

A process is given its own file alone (systemd's ``LoadCredential`` fits), so that the console holds
nothing but the console's log-in.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

import psycopg
from psycopg import sql

from chukan.platform.database.errors import SecretExposed, SecretMissing
from chukan.platform.database.roles import ProcessKind


def process_password(directory: Path, kind: ProcessKind) -> str:
    """Return the password of the log-in of *kind*.

    Raises:
        SecretMissing: this process was not given the file.
        SecretExposed: others can read it, so it is no secret.
    """
    path = _file(directory, kind)
    try:
        mode = path.stat().st_mode
        password = path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, PermissionError):
        raise SecretMissing(path=path, process=kind.value) from None
    if mode & _others(directory):
        raise SecretExposed(path=path)
    return password


def ensure_process_password(directory: Path, kind: ProcessKind) -> str:
    """Return the password of *kind*, made and written now if there is none yet."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _file(directory, kind)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(new_password())
    return process_password(directory, kind)


def new_password() -> str:
    """Return 256 random bits as text: beyond guessing, so no slow hash has to protect it."""
    return secrets.token_urlsafe(32)


def set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    """Give *role* the password, as ``password_verifier`` has it."""
    verifier = password_verifier(connection, role, password)
    connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier)))


def password_verifier(connection: psycopg.Connection, role: str, password: str) -> str:
    """Return the SCRAM verifier of *password* for *role*: the password itself never travels or is logged.

    One iteration is enough for 256 random bits and halves the time of a connection (decision 14).
    """
    connection.execute("set scram_iterations = 1")
    return connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()


def _others(directory: Path) -> int:
    """Return the bits that nobody but the owner may have.

    systemd gives a service its credentials by an access list, whose mask shows where the group's bits are.
    """
    given_by_systemd = os.environ.get("CREDENTIALS_DIRECTORY") == str(directory)
    return stat.S_IRWXO if given_by_systemd else stat.S_IRWXG | stat.S_IRWXO


def _file(directory: Path, kind: ProcessKind) -> Path:
    return directory / f"{kind.value}.password"
