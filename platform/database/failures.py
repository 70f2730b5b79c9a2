"""What a failure of the database is told as, at the edge where it leaves the program.

A refused privilege, a missing schema and a missing table are told alike: whether something exists is
not a tenant's business (isolation, attacks 28 and 29). Values and key names that PostgreSQL puts into
its errors (attack 104) go nowhere: the SQLSTATE alone is kept, for the log.
"""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError

from chukan.platform.database.errors import DatabaseUnreachable, DataUnreachable, StatementStopped
from chukan.platform.errors import ChukanError

_UNREACHABLE_DATA = frozenset({"42501", "3F000", "42P01"})
_STOPPED = frozenset({"57014", "55P03", "25P03", "25P04", "40P01"})
#: Connection failures, too many connections, and a server that shuts down or is not yet up.
_UNREACHABLE_CLASSES = ("08", "53", "57P")


def told(failure: DBAPIError | psycopg.Error) -> ChukanError:
    """Return the error of the tree that *failure* is told as; its detail is the SQLSTATE alone."""
    original = failure.orig if isinstance(failure, DBAPIError) else failure
    state = getattr(original, "sqlstate", None) or ""
    detail = f"{type(original).__name__} {state}".strip()
    if state in _UNREACHABLE_DATA:
        return DataUnreachable(detail=detail)
    if state in _STOPPED:
        return StatementStopped(detail=detail)
    lost = isinstance(original, psycopg.OperationalError) and not state
    if lost or state.startswith(_UNREACHABLE_CLASSES):
        return DatabaseUnreachable(detail=detail)
    return ChukanError(detail=detail)
