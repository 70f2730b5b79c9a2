"""Queries on a sealed column of a tenant's table, in that tenant's own session; nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnClause, Connection, LargeBinary, bindparam, func, literal, select, table, true, update
from sqlalchemy import column as sql_column

from chukan.platform.vault.rules import HEADER_BYTES, EncryptedColumn, RowId, header


class SealedRows:
    """The rows of one column whose values are sealed under another version than *version*."""

    def __init__(self, declared: EncryptedColumn, version: int) -> None:
        self._id: ColumnClause[Any] = sql_column(declared.id_column)
        self._sealed = sql_column(declared.column, LargeBinary())
        self._table = table(declared.table, self._id, self._sealed)
        # The server reads the first five bytes alone, also of a value that it keeps outside the row.
        self._older = func.substring(self._sealed, 1, HEADER_BYTES) != literal(header(version), LargeBinary())

    def count(self, connection: Connection) -> int:
        """Return how many there are."""
        return connection.execute(select(func.count()).select_from(self._table).where(self._older)).scalar_one()

    def claim(self, connection: Connection, *, after: RowId | None, limit: int) -> Sequence[tuple[RowId, bytes]]:
        """Lock and return up to *limit* of them behind *after*, in the order of ids, that nobody else holds."""
        behind = true() if after is None else self._id > after
        query = select(self._id, self._sealed).where(self._older, behind).order_by(self._id).limit(limit)
        rows = connection.execute(query.with_for_update(skip_locked=True))
        return [(row_id, sealed) for row_id, sealed in rows]

    def replace(self, connection: Connection, anew: Mapping[RowId, bytes]) -> None:
        """Store the values of *anew* by their rows' ids."""
        change = update(self._table).where(self._id == bindparam("row")).values({self._sealed: bindparam("anew")})
        rows: list[dict[str, Any]] = [{"row": row, "anew": sealed} for row, sealed in anew.items()]
        if rows:
            connection.execute(change, rows)
