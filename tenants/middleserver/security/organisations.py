"""Which tenant an organisation's code stands for, as the commands take it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from chukan.platform.clock import as_tokyo
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.security.errors import NotHosted
from chukan.tenants.registry.store import get


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
