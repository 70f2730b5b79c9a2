"""The one list of all that is plugged together: each area and feature offers its component here."""

from __future__ import annotations

from chukan.demo import demo
from chukan.helpdesk import component as helpdesk
from chukan.monitoring import component as monitoring
from chukan.platform.audit import component as audit
from chukan.platform.audit.ports import Signer
from chukan.platform.component import Command, Component
from chukan.platform.database import component as database
from chukan.platform.logs import component as logs
from chukan.platform.settings import Settings
from chukan.platform.settings import component as settings
from chukan.platform.settings.load import loaded_settings
from chukan.platform.vault import component as vault
from chukan.platform.vault.providers import key_provider
from chukan.platform.vault.signing import VaultSigner
from chukan.tenants import component as tenants
from chukan.vpn import component as vpn


def components() -> tuple[Component, ...]:
    """Return every component, in the order in which their commands are listed."""
    return (
        settings.component(),
        logs.component(),
        database.component(_settings),
        vault.component(_settings),
        audit.component(_settings, signer=signer_of),
        tenants.component(),
        vpn.component(),
        monitoring.component(),
        helpdesk.component(),
        Component(name="demo", commands=(Command(demo),)),
    )


def signer_of(settings: Settings) -> Signer:
    """Return who signs the audit trail's seals: the vault, which the trail itself does not know."""
    return VaultSigner(key_provider(settings.vault))


def _settings() -> Settings:
    return loaded_settings().settings
