"""What a migration needs: the roles' names of this installation, and a way to run a composition."""

from __future__ import annotations

from alembic import op
from psycopg import sql

from chukan.platform.database.roles import ProcessKind, RoleNames


def run(statement: sql.SQL | sql.Composed) -> None:
    """Run one statement as the owner. ``{owner}``, ``{tenant_common}`` and each process's name are places."""
    composed = statement.format(**_places()) if isinstance(statement, sql.SQL) else statement
    op.get_bind().exec_driver_sql(composed.as_string(None), execution_options={"no_parameters": True})


def _places() -> dict[str, sql.Identifier]:
    context = op.get_context()
    config = context.config
    if config is None:
        raise RuntimeError("migrations run with a configuration that names the roles")
    names: RoleNames = config.attributes["roles"]
    return {
        "owner": sql.Identifier(names.owner),
        "tenant_common": sql.Identifier(names.tenant_common),
        **{kind.value: sql.Identifier(names.process(kind)) for kind in ProcessKind},
    }
