"""What the network remembers, in one SQLite file, so that a restart goes on where it stopped."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

_SCHEMA = """
create table if not exists fact (name text primary key, value text not null) without rowid;
create table if not exists signing_key (number integer primary key, pem text not null);
create table if not exists certificate (
    kid text primary key, institution text not null, use text not null, pem text not null,
    request text not null unique, not_before real not null, not_after real not null, revoked_at real, reason text
) without rowid;
create table if not exists package (
    sequence integer primary key, version text not null, publication text not null, kind text not null,
    linkage_start text not null, published_at text not null, bytes blob not null
);
create table if not exists conversation (
    institution text not null, conv text not null, next_in integer not null default 1,
    next_out integer not null default 1, primary key (institution, conv)
) without rowid;
create table if not exists message (
    number integer primary key, institution text not null, mid text not null, conv text not null,
    seq integer not null, typ text not null, digest text not null, bytes blob not null,
    state text not null, receipt blob not null, received_at real not null,
    unique (institution, mid)
);
create unique index if not exists message_held on message (institution, conv, seq) where state = 'held';
create table if not exists refusal (
    number integer primary key, institution text, mid text, digest text not null, reason text not null,
    detail text, received_at real not null
);
create table if not exists serial (
    institution text not null, serial text not null, conv text, mode text, announced_at real,
    resident text, registered_at real, due_at real, result text, primary key (institution, serial)
) without rowid;
create index if not exists serial_due on serial (due_at) where result is null and due_at is not null;
create table if not exists code (
    institution text not null, mode text not null, resident text not null, code text not null, issued_at real not null,
    primary key (institution, mode, resident)
) without rowid;
create unique index if not exists code_of_institution on code (institution, mode, code);
create table if not exists unknown_resident (resident text primary key) without rowid;
create table if not exists delivery (
    number integer primary key, mid text not null, institution text not null, conv text not null,
    seq integer not null, typ text not null, enc_kid text not null, size integer not null,
    state text not null default 'waiting', attempts integer not null default 0, next_at real not null,
    result text, reason text, last_error text, created_at real not null
);
create table if not exists delivery_body (number integer primary key, signed blob not null, bytes blob not null);
create table if not exists attempt (
    number integer primary key, mid text not null, fault text, status integer, error text, receipt blob,
    at real not null
);
create table if not exists inquiry (
    number integer primary key, inquirer text not null, serial text not null, conv text not null, mode text not null,
    provider text not null, affair text not null, procedure text not null, information text not null,
    linkage_code text not null, condition text not null, requested_at text not null, non_disclosure text not null,
    delegated text not null, valid_until real not null, state text not null default 'requested', reason text,
    permit text, enc_kid text, provision_conv text, result_delivery integer, end_delivery integer,
    unique (inquirer, serial), unique (inquirer, conv)
);
create unique index if not exists inquiry_provision on inquiry (provider, provision_conv)
    where provision_conv is not null;
create index if not exists inquiry_open on inquiry (valid_until) where state in ('requested', 'deferred');
create table if not exists record (
    inquirer text not null, serial text not null, provider text not null, affair text not null, procedure text not null,
    information text not null, requested_at text not null, answered_at text, result text not null,
    non_disclosure text not null, asked integer not null default 0, primary key (inquirer, serial)
) without rowid;
create index if not exists record_of_inquirer on record (inquirer, requested_at);
create index if not exists record_of_provider on record (provider, requested_at) where asked = 1;
create table if not exists host (
    institution text primary key, signing text not null, encryption text not null, inquires_from text,
    provides_from text, answers text not null default 'provided'
) without rowid;
create table if not exists host_inquiry (
    number integer primary key, institution text not null, serial text not null, conv text not null,
    next_seq integer not null default 2, provider text not null, procedure text not null, information text not null,
    asked_at real not null, answered_at real, result text, reason text, records text,
    unique (institution, serial), unique (institution, conv)
);
create table if not exists host_request (
    number integer primary key, institution text not null, conv text not null, mode text not null,
    inquirer text not null, serial text not null, permit text not null, information text not null, code text not null,
    kid text not null, pem text not null, next_seq integer not null default 1, state text not null default 'waiting',
    unique (institution, conv)
);
"""


_CHECKPOINT = "pragma wal_autocheckpoint = 10000"
_CACHE = "pragma cache_size = -65536"
_STATEMENTS = 500


class Store:
    """The file, one connection to it, and a lock: whoever holds ``transaction`` is alone."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
        )
        self._connection.row_factory = sqlite3.Row
        # A process that is killed loses nothing. A machine that stops may: for a simulator, speed counts more.
        # Nobody else opens the file while this process lives.
        self._connection.execute("pragma locking_mode = exclusive")
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = off")
        self._connection.execute(_CHECKPOINT)
        self._connection.execute(_CACHE)
        self._connection.executescript(_SCHEMA)
        self._facts = {row["name"]: str(row["value"]) for row in self._connection.execute("select * from fact")}
        self._after: list[Callable[[], None]] = []

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block alone and as a whole: on an error nothing of it stays."""
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("rollback")
                self._after.clear()
                raise
            self._connection.execute("commit")
            after, self._after = self._after, []
        for act in after:
            act()

    def afterwards(self, act: Callable[[], None]) -> None:
        """Do *act* after the transaction of this thread, if it stays."""
        self._after.append(act)

    def found_all(self, query: LiteralString, *values: object) -> list[sqlite3.Row]:
        """Return what *query* finds."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def found_one(self, query: LiteralString, *values: object) -> sqlite3.Row | None:
        """Return the first that *query* finds, if there is one."""
        found = self.found_all(query, *values)
        return found[0] if found else None

    def fact(self, name: str, default: str = "") -> str:
        """Return the fact *name*."""
        return self._facts.get(name, default)

    def keep(self, name: str, value: object) -> None:
        """Keep the fact *name*."""
        with self.transaction() as connection:
            connection.execute("insert or replace into fact values (?, ?)", (name, str(value)))
            self._facts[name] = str(value)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


def shown(row: sqlite3.Row) -> dict[str, Any]:
    """Return *row* as a dictionary."""
    return dict(zip(row.keys(), row, strict=True))
