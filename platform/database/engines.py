"""A process's own engine: its log-in, its search path, its timeouts, and a clean session every time."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from chukan.platform.clock import monotonic
from chukan.platform.database.embedded import EmbeddedCluster
from chukan.platform.database.errors import AuthenticationUnsafe, DatabaseUnreachable
from chukan.platform.database.roles import ProcessKind, RoleNames
from chukan.platform.database.secrets import process_password
from chukan.platform.settings import DatabaseSettings

#: pg_temp is named, and named last, so that no temporary table can ever stand before a real one;
#: pg_catalog is not named, and so comes first.
PLATFORM_SEARCH_PATH = "platform,platform_api,pg_temp"
#: A connection that was not used for longer than this (seconds) may have been dropped by a wall in between.
_SILENT_FOR = 30.0
_RETURNED = "returned"


def database_name(settings: DatabaseSettings) -> str:
    """Return the name of the database: of the embedded cluster's, or the one in the URL."""
    return unquote(urlsplit(settings.url).path.lstrip("/")) if settings.url else settings.name


def address(settings: DatabaseSettings) -> dict[str, Any]:
    """Return where the database is in libpq's words, without user and password."""
    if settings.url:
        return conninfo_to_dict(settings.url)
    return {**EmbeddedCluster(settings.embedded).address(), "dbname": settings.name}


def session_options(*, search_path: str, statement_ms: int, lock_ms: int, idle_transaction_ms: int) -> str:
    """Return libpq's ``options``: they become the session's reset values.

    Given at the connection they override whatever was stored on the role (a tenant may alter its own
    role's settings, attack 75), and ``DISCARD ALL`` returns to them.
    """
    parameters = {
        "search_path": search_path,
        "statement_timeout": str(statement_ms),
        "lock_timeout": str(lock_ms),
        "idle_in_transaction_session_timeout": str(idle_transaction_ms),
        "row_security": "on",
        # What is acknowledged rests on commits that cannot be lost, whatever the server does by itself.
        "synchronous_commit": "on",
        "default_transaction_isolation": "read\\ committed",
    }
    return " ".join(f"-c {name}={value}" for name, value in parameters.items())


def connect(arguments: dict[str, Any]) -> psycopg.Connection:
    """Open a connection; server-side prepared statements are off, because DISCARD ALL drops them (decision 12).

    Raises:
        AuthenticationUnsafe: the server would let us in without SCRAM (by trust, for example), in any mode.
        DatabaseUnreachable: for whatever other reason; the log has it.
    """
    try:
        return psycopg.connect(
            **arguments, prepare_threshold=None, connect_timeout=10, require_auth="scram-sha-256"
        )  # fmt: skip
    except psycopg.OperationalError as failure:
        if "authentication method requirement" in str(failure):
            raise AuthenticationUnsafe(detail=str(failure)) from failure
        raise DatabaseUnreachable(detail=str(failure)) from failure


def process_engine(settings: DatabaseSettings, kind: ProcessKind) -> Engine:
    """Return an engine under the log-in of *kind*; its sessions are reset whenever they come back.

    Raises:
        SecretMissing: this process was not given that log-in's password.
    """
    arguments = {
        **address(settings),
        "user": RoleNames(settings.role_prefix).process(kind),
        "password": process_password(settings.secrets_directory, kind),
        "options": session_options(
            search_path=PLATFORM_SEARCH_PATH,
            statement_ms=settings.statement_timeout_ms,
            lock_ms=settings.lock_timeout_ms,
            idle_transaction_ms=settings.tenant_sessions.idle_in_transaction_timeout_ms,
        ),
    }
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(arguments),
        pool_size=settings.pool_size,
        pool_reset_on_return=None,
        hide_parameters=True,
        use_native_hstore=False,
    )
    event.listen(engine, "reset", _reset_on_return)
    event.listen(engine, "checkout", _require_alive)
    return engine


def reading(engine: Engine) -> Engine:
    """Return *engine* for what only reads, or is done by one statement: each is its own transaction.

    It lends the same connections. Under "read committed" every statement has a view of its own in any case, so a
    transaction around several that read would add nothing but its begin and end.
    """
    asked = engine.execution_options()
    # Not as an isolation level: SQLAlchemy takes longer to change that to and fro than the two statements do.
    event.listen(asked, "engine_connect", _without_transaction)
    return asked


def _without_transaction(connection: Connection) -> None:
    below = connection.connection.driver_connection
    if isinstance(below, psycopg.Connection):
        below.autocommit = True


@contextmanager
def engine_of(settings: DatabaseSettings, kind: ProcessKind) -> Iterator[Engine]:
    """Lend the engine of a process for one piece of work; raises as ``process_engine``."""
    engine = process_engine(settings, kind)
    try:
        yield engine
    finally:
        engine.dispose()


def driver(connection: Connection) -> psycopg.Connection:
    """Return the psycopg connection below *connection*; the transaction stays SQLAlchemy's to end."""
    if not connection.in_transaction():
        # Otherwise SQLAlchemy would not know that there is something to commit.
        connection.begin()
    below = connection.connection.driver_connection
    if not isinstance(below, psycopg.Connection):
        raise TypeError(type(below))
    return below


def reset(connection: psycopg.Connection) -> None:
    """Take everything from the session that its user may have left: one round trip, outside a transaction.

    Raises:
        psycopg.OperationalError: the session cannot be reset, and must not be used again.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        connection.rollback()
    result = connection.pgconn.exec_(b"DISCARD ALL")
    if result.status != ExecStatus.COMMAND_OK:
        raise psycopg.OperationalError("the session could not be reset")


def _reset_on_return(connection: psycopg.Connection, record: ConnectionPoolEntry, _state: object) -> None:
    reset(connection)
    if connection.autocommit:
        connection.autocommit = False
    record.info[_RETURNED] = monotonic()


def _require_alive(connection: psycopg.Connection, record: ConnectionPoolEntry, _lent: object) -> None:
    """Let the pool open anew what the server has left, this connection and all older ones: nobody notices a restart.

    Where the server has gone there is something to be read, be it the end alone. Only such a connection is asked, and
    one that was silent for long: a question each time would cost as much as what is asked then.
    """
    returned = record.info.get(_RETURNED)
    if returned is None:
        return
    watched = select.poll()
    watched.register(connection.pgconn.socket, select.POLLIN)
    if not watched.poll(0) and monotonic() - returned < _SILENT_FOR:
        return
    if not _answers(connection):
        raise InvalidatePoolError


def _answers(connection: psycopg.Connection) -> bool:
    try:
        return connection.pgconn.exec_(b"").status == ExecStatus.EMPTY_QUERY
    except psycopg.Error:
        return False


def url_without_secrets(settings: DatabaseSettings) -> str:
    """Return the database's address as an operator may see it."""
    return make_url(settings.url).render_as_string() if settings.url else f"embedded:{settings.embedded.directory}"
