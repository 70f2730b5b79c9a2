"""What exemptions plug in."""

from __future__ import annotations

from collections.abc import Sequence

from chukan.platform.accounts.four_eyes import FourEyesKind
from chukan.platform.component import Command, Component
from chukan.tenants.limits.exemptions.cli import exempt_command, exemptions


def component(kinds: Sequence[FourEyesKind]) -> Component:
    """Return the commands; *kinds* are those of ``service.kinds``."""
    return Component(
        name="limits-exemptions",
        commands=(Command(exempt_command(kinds), under="limits"), Command(exemptions, under="limits")),
    )
