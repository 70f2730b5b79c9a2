"""Alembic's entry: an upgrade is one transaction on the connection that it was given, as the owner."""

from __future__ import annotations

from alembic import context
from psycopg import sql
from sqlalchemy import Connection

from chukan.platform.database.roles import RoleNames

connection: Connection = context.config.attributes["connection"]
roles: RoleNames = context.config.attributes["roles"]

with connection.begin():
    become = sql.SQL("set local role {}").format(sql.Identifier(roles.owner))
    connection.exec_driver_sql(become.as_string(None))
    # A migration that cannot have its lock soon gives up: waiting would block everybody behind it.
    connection.exec_driver_sql("set local lock_timeout = '5s'")
    context.configure(connection=connection, version_table_schema="platform", version_table="shared_version")
    with context.begin_transaction():
        context.run_migrations()
