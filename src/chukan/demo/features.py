"""What the demonstration's gateway and relay do with the national network's messages: all that the platform does."""

from __future__ import annotations

from chukan.platform.database.tenant_sessions import TenantSessions
from chukan.platform.settings import Settings
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.inquiries import desk as inquiry_desk
from chukan.tenants.middleserver.linkage_codes.acquisition import Acquisition
from chukan.tenants.middleserver.operations.excluded_items import excluded_on
from chukan.tenants.middleserver.provisions import desk as provision_desk
from chukan.tenants.middleserver.transmission.ports import Features


def features(settings: Settings, sessions: TenantSessions, vault: Vault) -> Features:
    """Return what every feature does with the network's messages, as ``wiring`` plugs it together."""

    def told() -> Settings:
        return settings

    inquiries_do = inquiry_desk.features_of(told, sessions, vault)
    provisions_do = provision_desk.features_of(told, sessions, vault, excluded_on)
    return Acquisition(sessions, vault).features() | inquiries_do | provisions_do
