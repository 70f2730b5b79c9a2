"""Which tenant an organisation's code stands for, as the commands take it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, String, cast, func, select

from chukan.platform.clock import as_tokyo
from chukan.platform.database.tables import Tenant, TenantState
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.security.errors import NotHosted
from chukan.tenants.registry.store import get
from chukan.tenants.registry.tables import Organisation


def tenant_of(connection: Connection, reference: str, now: datetime) -> TenantId:
    """Return the tenant of the organisation *reference* (code or id).

    Raises:
        CodeInvalid, OrganisationUnknown: as the registry's ``get``.
        NotHosted: it has no tenant here.
    """
    organisation = get(connection, reference, as_tokyo(now).date())
    if organisation.tenant is None:
        raise NotHosted(organisation=organisation.reference)
    return organisation.tenant


def hosted(connection: Connection) -> Sequence[tuple[str, TenantId]]:
    """Return the organisations (code, or id if it has none) whose tenants are active or suspended, by code."""
    states = (TenantState.ACTIVE.value, TenantState.SUSPENDED.value)
    reference = func.coalesce(Organisation.code, cast(Organisation.id, String)).label("reference")
    query = (
        select(reference, Tenant.id)
        .join(Tenant, Tenant.id == Organisation.tenant)
        .where(Tenant.state.in_(states))
        .order_by(reference)
    )
    return [(code, TenantId(id_)) for code, id_ in connection.execute(query)]
