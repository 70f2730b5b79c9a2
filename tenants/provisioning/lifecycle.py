"""Suspending, resuming and closing an organisation's tenant: its log-in is barred or let in again.

The registry's state, the tenant's state and the log-in change in one transaction. Connections that are
open stay for at most ``tenant_sessions.max_idle_seconds`` after their last use; new ones are refused
by the server itself, whatever a process has cached.
"""

from __future__ import annotations

from datetime import datetime

from chukan.platform.audit.rules import AuditEntry
from chukan.platform.audit.service import Chain, audited
from chukan.platform.clock import as_tokyo
from chukan.platform.database.engines import driver
from chukan.platform.database.tables import TenantState
from chukan.platform.database.tenants import Placement
from chukan.tenants.provisioning import store
from chukan.tenants.provisioning.errors import NotProvisioned
from chukan.tenants.provisioning.service import Provisioner, ProvisioningAction
from chukan.tenants.registry import store as registry
from chukan.tenants.registry.service import moved
from chukan.tenants.registry.store import Registered, subject_of
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
    entry = AuditEntry(desk.actor, action, subject_of(reference), desk.request, detail={"reason": reason})
    with audited(desk.engine.begin, entry, chain=Chain.PLATFORM) as unit:
        connection = driver(unit.connection)
        organisation = registry.get(unit.connection, reference, as_tokyo(now).date(), lock=True)
        if organisation.tenant is None:
            raise NotProvisioned(organisation=organisation.label)
        placement = store.lock_tenant(connection, organisation.tenant)
        if not (_is_dissolved(organisation, placement) and action is ProvisioningAction.CLOSE):
            moved(unit.connection, organisation, to, now=now, actor=desk.actor, reason=reason)
        store.move_tenant(connection, placement, tenant_state)
        store.let_in(connection, placement.role, allowed=let_in)
        unit.note(tenant=str(organisation.tenant))


def _is_dissolved(organisation: Registered, placement: Placement) -> bool:
    """Whether the registry's calendar began the end of *organisation* on its own; the tenant is let in as before."""
    return organisation.state is State.CLOSING and placement.state != TenantState.CLOSING.value
