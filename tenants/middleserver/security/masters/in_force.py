"""What the masters in force say to whoever checks an organisation's files: layouts and its own region."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, select

from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.formats.codes import organisation_code, region_of
from chukan.tenants.middleserver.security.masters.rules import Layout
from chukan.tenants.middleserver.security.masters.service import Masters
from chukan.tenants.registry.tables import Organisation


class MastersInForce:
    """What duplicate copies ask of the masters (``duplicate_copies.ports.Masters``), as each organisation has them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._masters = Masters(engine)

    def layouts(self, tenant: TenantId, information: str) -> Sequence[Layout]:
        """Return all layouts of *information*; raises as ``Masters.catalogue``."""
        return self._masters.catalogue(tenant).layouts(information)

    def regions(self, tenant: TenantId) -> frozenset[str]:
        """Return the region code of the tenant's organisation; none if it has no code, as some unions have."""
        with self._engine.connect() as connection:
            code = connection.execute(select(Organisation.code).where(Organisation.tenant == tenant)).scalar()
        return frozenset() if code is None else frozenset({region_of(organisation_code(code))})
