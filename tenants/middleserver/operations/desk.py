"""The night batch as jobs and commands open it, and what the masters in force say to it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, select

from chukan.platform.clock import SystemClock
from chukan.platform.identifiers import TenantId
from chukan.tenants.limits.budget import RegisteredLimits
from chukan.tenants.middleserver.duplicate_copies.night import Night
from chukan.tenants.middleserver.duplicate_copies.ports import LimitedDay
from chukan.tenants.middleserver.duplicate_copies.service import Uploads
from chukan.tenants.middleserver.formats.codes import organisation_code, region_of
from chukan.tenants.middleserver.operations.data import shipped_nights
from chukan.tenants.middleserver.operations.retention import Retention
from chukan.tenants.middleserver.operations.service import NightBatch
from chukan.tenants.middleserver.security.masters.rules import Layout
from chukan.tenants.middleserver.security.masters.service import Masters
from chukan.tenants.middleserver.transmission.desk import TransmissionDesk
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


def night_batch(desk: TransmissionDesk) -> NightBatch:
    """Return the night batch over an open desk."""
    clock = SystemClock()
    registrar = Night(desk.sessions, desk.vault, MastersInForce(desk.actor.engine), clock)
    return NightBatch(desk.actor, desk.sessions, registrar, clock, shipped_nights())


def retention(desk: TransmissionDesk) -> Retention:
    """Return the retention over an open desk."""
    return Retention(desk.actor, desk.sessions, uploads(desk))


def uploads(desk: TransmissionDesk) -> Uploads:
    """Return the uploads over an open desk, with the limits of the registry."""
    return Uploads(desk.sessions, desk.vault, LimitedDay(RegisteredLimits(desk.actor.engine).standing))
