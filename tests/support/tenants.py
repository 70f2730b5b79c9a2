"""Tenants with the real schema, made without keys: for tests of what happens to schemas."""

from __future__ import annotations

from chukan.platform.audit.rules import Action, AuditEntry, canonical_body
from chukan.platform.database.roles import ProcessKind
from chukan.platform.database.secrets import new_password
from chukan.platform.database.tenants import Placement, create_tenant
from chukan.platform.identifiers import new_opaque_name
from chukan.tenants.provisioning.scripts import Script, message, run_message
from chukan.tenants.releases.rendering import head, render
from support.database import Database


class _TestAction(Action):
    OPEN = "test:chain:open"


def provisioned(database: Database, script: Script | None = None) -> Placement:
    """Make a tenant whose schema *script* fills (the newest one, if none is given)."""
    password = new_password()
    with database.login(ProcessKind.PROVISIONER) as connection, connection.transaction():
        tenant = create_tenant(
            connection, database.names, opaque=new_opaque_name(), password=password, cluster=database.settings.cluster
        )
        entry = AuditEntry("system:test", _TestAction.OPEN, f"tenant:{tenant.tenant}", "test")
        chosen = script or render(None, head())
        run_message(connection, message(database.names, tenant, chosen, canonical_body(entry)))
    database.credentials.remember(tenant.tenant, password)
    return tenant
