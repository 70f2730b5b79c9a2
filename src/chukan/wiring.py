"""The one list of all that is plugged together: each area and feature offers its component here."""

from __future__ import annotations

from chukan.helpdesk import component as helpdesk
from chukan.monitoring import component as monitoring
from chukan.platform.component import Component
from chukan.platform.logs import component as logs
from chukan.platform.settings import component as settings
from chukan.tenants import component as tenants
from chukan.vpn import component as vpn


def components() -> tuple[Component, ...]:
    """Return every component, in the order in which their commands are listed."""
    return (
        settings.component(),
        logs.component(),
        tenants.component(),
        vpn.component(),
        monitoring.component(),
        helpdesk.component(),
    )
