"""What an organisation may send on a day, from the registry: its population, its members', and its exemptions.

Source: A0-033, A0-036, A0-037.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import Engine

from chukan.platform.identifiers import TenantId
from chukan.tenants.limits.data import shipped_limits
from chukan.tenants.limits.errors import PopulationMissing
from chukan.tenants.limits.exemptions import store
from chukan.tenants.limits.exemptions.errors import OrganisationGone
from chukan.tenants.limits.exemptions.store import Base
from chukan.tenants.limits.rules import Amount, LimitKind, daily_limit, terms_on
from chukan.tenants.registry.values import Kind


class RegisteredLimits:
    """Limits of registered organisations, read under a log-in that sees the registry and the exemptions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def standing(self, tenant: TenantId, day: date) -> tuple[Amount, bool]:
        """Return the limit of the *tenant* on *day* (Asia/Tokyo), and whether it is exempted from it.

        Raises:
            OrganisationGone: it is dissolved on that day, or the tenant is no organisation's.
            PopulationMissing: there is no population; of a union, a member's is missing or it has no members.
        """
        with self._engine.connect() as connection:
            base = store.base(connection, tenant, day)
            exempted = store.is_exempt(connection, tenant, day)
        if base is None:
            raise OrganisationGone(organisation=str(tenant), day=day)
        return limit_of(base, day), exempted


def limit_of(base: Base, day: date) -> Amount:
    """Return the limit that follows from *base* on *day*; raises as ``RegisteredLimits.standing``."""
    if base.dissolved_on is not None and base.dissolved_on <= day:
        raise OrganisationGone(organisation=base.organisation, day=day)
    kind = limit_kind(Kind(base.kind))
    # A sum that leaves a member out would refuse files that are within the limit, and say nothing.
    if kind is LimitKind.UNION and (not base.members or base.counted < base.members):
        raise PopulationMissing
    return daily_limit(terms_on(shipped_limits().upload, kind, day), base.population)


def limit_kind(kind: Kind) -> LimitKind:
    """Return which terms hold for a registered *kind*."""
    if kind.is_union:
        return LimitKind.UNION
    return LimitKind.PREFECTURE if kind is Kind.PREFECTURE else LimitKind.MUNICIPALITY
