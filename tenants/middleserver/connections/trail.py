"""What connections write into the audit trail: the register and refused certificates into the platform's chain."""

from __future__ import annotations

from chukan.platform.audit.rules import Action


class ConnectionAction(Action):
    """The acts on connected systems, and what is refused to them."""

    REGISTER = "connections:system:register"
    REVOKE = "connections:system:revoke"
    REFUSE = "connections:request:refuse"
