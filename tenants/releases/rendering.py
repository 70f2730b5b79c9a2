"""Rendering revisions to one script, once for all schemas.

Alembic in a loop costs milliseconds a schema; the same statements as one message cost a tenth of that
(performance.md). The script names no schema and no role: the search path does, and the grants are
composed for each tenant.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script as Revision
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from chukan.platform.messages import text
from chukan.tenants.provisioning.scripts import Script
from chukan.tenants.releases.errors import RevisionUnknown

_MIGRATIONS = "chukan.tenants.releases:migrations"


class _Statements:
    """Takes what Alembic would print, a statement a write."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def write(self, printed: str) -> None:
        statement = printed.strip().removesuffix(";")
        if statement:
            self.taken.append(statement)

    def flush(self) -> None:
        """Do nothing: what was written is already taken."""


def head() -> str:
    """Return the newest revision of the tenants' schemas."""
    newest = _directory().get_current_head()
    if newest is None:
        raise LookupError("the tenants' schemas have no revision")
    return newest


def revisions() -> list[tuple[str, str]]:
    """Return all revisions with what they are for, in the reader's language, oldest first."""
    return [(revision.revision, text(revision.module.PURPOSE)) for revision in _between(None, head())]


@cache
def render(from_revision: str | None, to_revision: str) -> Script:
    """Return the script from *from_revision* (exclusive; None for an empty schema) to *to_revision*.

    Raises:
        RevisionUnknown: one of them does not exist, or does not lead to the other.
    """
    taken = _Statements()
    # Named parameters: the psycopg style would double every per cent sign in comments and literals.
    dialect = create_engine("postgresql+psycopg://", paramstyle="named").dialect
    options = {"as_sql": True, "literal_binds": True, "output_buffer": taken, "transactional_ddl": False}
    context = MigrationContext.configure(dialect=dialect, opts=options)
    privileges: dict[str, Sequence[str]] = {}
    with Operations.context(context):
        for revision in _between(from_revision, to_revision):
            revision.module.upgrade()
            privileges |= revision.module.PRIVILEGES
    return Script(from_revision, to_revision, tuple(taken.taken), privileges)


def _between(from_revision: str | None, to_revision: str) -> list[Revision]:
    """Return the revisions after *from_revision* up to *to_revision*, oldest first."""
    line = list(reversed(list(_directory().walk_revisions())))
    known = [revision.revision for revision in line]
    start = 0 if from_revision is None else _position(known, from_revision) + 1
    end = _position(known, to_revision) + 1
    if start > end:
        raise RevisionUnknown(revision=to_revision)
    return line[start:end]


def _position(known: Sequence[str], revision: str) -> int:
    if revision not in known:
        raise RevisionUnknown(revision=revision)
    return known.index(revision)


@cache
def _directory() -> ScriptDirectory:
    configuration = Config()
    configuration.set_main_option("script_location", _MIGRATIONS)
    configuration.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(configuration)
