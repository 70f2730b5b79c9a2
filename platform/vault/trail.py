"""What the vault writes into the audit trail: every act on keys, in the transaction of the act."""

from __future__ import annotations

from chukan.platform.audit.rules import Action
from chukan.platform.identifiers import TenantId


class VaultAction(Action):
    """The acts on keys. All of them are the platform's, so they stand in its chain."""

    CREATE_PROVIDER_KEY = "vault:provider_key:create"
    REWRAP = "vault:data_key:rewrap"
    DESTROY_WRAPPING_KEY = "vault:wrapping_key:destroy"
    CREATE = "vault:data_key:create"
    ROTATE = "vault:data_key:rotate"
    RETIRE = "vault:data_key:retire"
    DESTROY = "vault:data_key:destroy"


def owner_subject(owner: TenantId) -> str:
    """Return how the trail names the owner of a data key."""
    return f"tenant:{owner}"
