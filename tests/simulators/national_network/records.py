"""The network's records of inquiries: kept beside them, listed for who asks, and altered when a test wants it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import uuid4

from chukan_simulators.national_network.documents import RECORDS, Schemas, add, add_all, document, written
from chukan_simulators.national_network.store import Store

#: Entries of one list.
MOST = 2_000
_LONGEST = timedelta(days=92)
_CURSOR = re.compile(r"([0-9T:+-]{25})-([0-9]{16})-([0-9A-Z]{20})")
#: What a record says, by its element.
FIELDS: Mapping[str, str] = {
    "InquirerInstitution": "inquirer",
    "ProviderInstitution": "provider",
    "Affair": "affair",
    "Procedure": "procedure",
    "Information": "information",
    "RequestedAt": "requested_at",
    "AnsweredAt": "answered_at",
    "Result": "result",
    "NonDisclosure": "non_disclosure",
}
_COPIED = ("inquirer", "serial", "provider", "affair", "procedure", "information", "requested_at", "non_disclosure")


class QueryUnfit(Exception):
    """A query for records is not as it must be."""


@dataclass(frozen=True)
class Query:
    """Which records are asked for."""

    institution: str
    start: date
    end: date
    after: tuple[str, str, str] = ("", "", "")

    @classmethod
    def of(cls, institution: str, told: Mapping[str, str]) -> Query:
        """Return the query that the parameters *told* are.

        Raises: QueryUnfit.
        """
        after = _CURSOR.fullmatch(told.get("after", "0000-00-00T00:00:00+09:00-" + "0" * 16 + "-" + "0" * 20))
        try:
            start, end = (date.fromisoformat(told[name]) for name in ("from", "to"))
        except (KeyError, ValueError) as error:
            raise QueryUnfit from error
        if after is None or not told.keys() <= {"from", "to", "after"} or not timedelta(0) <= end - start < _LONGEST:
            raise QueryUnfit
        return cls(institution, start, end, (after[1], after[2], after[3]))


class Records:
    """Records over the network's memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, connection: sqlite3.Connection, row: sqlite3.Row) -> None:
        """Begin the record of the inquiry *row*."""
        connection.execute(
            "insert into record (inquirer, serial, provider, affair, procedure, information, requested_at,"
            " non_disclosure, result) values (?, ?, ?, ?, ?, ?, ?, ?, 'requested')",
            tuple(row[name] for name in _COPIED),
        )

    def asked(self, connection: sqlite3.Connection, row: sqlite3.Row) -> None:
        """Write down that the provider was asked: from now on it is a record of the provider too."""
        connection.execute(
            "update record set asked = 1 where inquirer = ? and serial = ?", (row["inquirer"], row["serial"])
        )

    def now(self, connection: sqlite3.Connection, row: sqlite3.Row, result: str, answered_at: str | None) -> None:
        """Write down what became of the inquiry *row*."""
        connection.execute(
            "update record set result = ?, answered_at = ? where inquirer = ? and serial = ?",
            (result, answered_at, row["inquirer"], row["serial"]),
        )

    def alter(self, inquirer: str, serial: str, changed: Mapping[str, str | None]) -> bool:
        """Change fields of a record, named as its elements, as nobody should; returns whether there is such a record.

        Raises: KeyError for another field.
        """
        columns = {FIELDS[name]: value for name, value in changed.items()}
        with self._store.transaction() as connection:
            row = connection.execute(
                "delete from record where inquirer = ? and serial = ? returning *", (inquirer, serial)
            ).fetchone()
            if row is None:
                return False
            values = tuple(columns.get(name, row[name]) for name in row.keys())  # noqa: SIM118 - a row is no mapping
            connection.execute("insert into record values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        return True

    def remove(self, inquirer: str, serial: str) -> bool:
        """Lose a record; returns whether there was one."""
        with self._store.transaction() as connection:
            gone = connection.execute("delete from record where inquirer = ? and serial = ?", (inquirer, serial))
        return bool(gone.rowcount)

    def listed(self, query: Query, schemas: Schemas) -> bytes:
        """Return the document that answers *query*."""
        found = self._found(query)
        root = document("RecordList", RECORDS, uuid4())
        add_all(root, (("Institution", query.institution), ("From", query.start), ("To", query.end)))
        if len(found) > MOST:
            last = found[MOST - 1]
            add(root, "More", f"{last['requested_at']}-{last['inquirer']}-{last['serial']}")
        for row in found[:MOST]:
            side = "inquirer" if row["inquirer"] == query.institution else "provider"
            entry = add(root, "Entry")
            add_all(entry, (("ProcessingSerial", row["serial"]), ("Side", side)))
            add_all(entry, ((name, row[column]) for name, column in FIELDS.items()))
        schemas.check(RECORDS, root)
        return written(root)

    def _found(self, query: Query) -> list[sqlite3.Row]:
        first = f"{query.start}T00:00:00+09:00"
        end = f"{query.end + timedelta(days=1)}T00:00:00+09:00"
        asked = (query.institution, max(first, query.after[0]), end, *query.after, MOST + 1)
        return self._store.found_all(
            "select * from (select * from record where inquirer = ? and requested_at >= ? and requested_at < ?"
            " and (requested_at, inquirer, serial) > (?, ?, ?) order by requested_at, inquirer, serial limit ?) "
            "union all "
            "select * from (select * from record where provider = ? and asked = 1 and requested_at >= ?"
            " and requested_at < ? and (requested_at, inquirer, serial) > (?, ?, ?)"
            " order by requested_at, inquirer, serial limit ?) "
            "order by requested_at, inquirer, serial limit ?",
            *asked,
            *asked,
            MOST + 1,
        )
