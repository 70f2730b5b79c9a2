"""Suspending, resuming and closing an organisation's tenant: its log-in is barred or let in again.

The registry's state, the tenant's state and the log-in change in one transaction. Connections that are
open stay for at most ``tenant_sessions.max_idle_seconds`` after their last use; new ones are refused
by the server itself, whatever a process has cached.
"""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg import sql
from sqlalchemy import Connection

from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import Chain, audited
from chukan.platform.clock import as_tokyo
from chukan.platform.database.engines import driver
from chukan.platform.database.tables import TenantState
from chukan.tenants.provisioning.errors import NotProvisioned
from chukan.tenants.provisioning.service import Provisioner, ProvisioningAction
from chukan.tenants.registry import store
from chukan.tenants.registry.service import moved
from chukan.tenants.registry.values import State

#: What each act leads to: the registry's state, the tenant's, and whether its log-in is let in.
_ACTS = {
    ProvisioningAction.SUSPEND: (State.SUSPENDED, TenantState.SUSPENDED, False),
    ProvisioningAction.RESUME: (State.ACTIVE, TenantState.ACTIVE, True),
    ProvisioningAction.CLOSE: (State.CLOSING, TenantState.CLOSING, False),
}


def act(desk: Provisioner, action: ProvisioningAction, reference: str, *, now: datetime, reason: str) -> None:
    """Suspend, resume or close the tenant of the organisation *reference*.

    Raises:
        OrganisationUnknown: there is no such organisation.
        NotProvisioned: it has no tenant.
        TransitionRefused: its state does not allow it.
    """
    to, tenant_state, let_in = _ACTS[action]
    entry = AuditEntry(desk.actor, action, f"organisation:{reference}", desk.request, detail={"reason": reason})
    with audited(desk.engine.begin, entry, chain=Chain.PLATFORM) as unit:
        organisation = store.get(unit.connection, reference, as_tokyo(now).date(), lock=True)
        if organisation.tenant is None:
            raise NotProvisioned(organisation=organisation.label)
        moved(unit.connection, organisation, to, now=now, actor=desk.actor, reason=reason)
        _bar(unit.connection, organisation.tenant, tenant_state, let_in=let_in)
        unit.note(tenant=str(organisation.tenant))


def _bar(connection: Connection, tenant: object, state: TenantState, *, let_in: bool) -> None:
    below: psycopg.Connection = driver(connection)
    row = below.execute(
        "update platform.tenant set state = %s where id = %s returning role", (state.value, tenant)
    ).fetchone()
    if row is None:
        raise LookupError(tenant)
    right = sql.SQL("login") if let_in else sql.SQL("nologin")
    below.execute(sql.SQL("alter role {} {}").format(sql.Identifier(row[0]), right))
