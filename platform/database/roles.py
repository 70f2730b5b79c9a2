"""The roles of a cluster: one owner, one log-in a process, one group and one log-in a tenant.

Roles are cluster-wide, so a prefix keeps two installations on one cluster (or parallel test runs)
apart. The log-ins of tenants are members of ``tenant_common`` alone (decision 13).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProcessKind(StrEnum):
    """The kinds of process, each with its own log-in and only the grants that its work needs."""

    CONSOLE = "console"
    SUPPORT_SITE = "support_site"
    GATEWAY = "gateway"
    WORKER = "worker"
    SCHEDULER = "scheduler"
    POLLER = "poller"
    #: Held by the provisioning and migration commands alone; it can reach everything (docs/security.md).
    PROVISIONER = "provisioner"
    #: Reads the audit trail for `chukan audit verify`, and nothing else.
    AUDITOR = "auditor"


#: The only processes that ever open a tenant's session (architecture, "Processes").
TENANT_PROCESSES = frozenset({ProcessKind.GATEWAY, ProcessKind.WORKER})


@dataclass(frozen=True)
class RoleNames:
    """The names of the roles under one prefix."""

    prefix: str = ""

    @property
    def owner(self) -> str:
        """The role without a password that owns every object."""
        return f"{self.prefix}chukan_owner"

    @property
    def tenant_common(self) -> str:
        """The group that every tenant's log-in belongs to; it reaches functions, no data."""
        return f"{self.prefix}tenant_common"

    def process(self, kind: ProcessKind) -> str:
        """Return the log-in of a process."""
        return f"{self.prefix}chukan_{kind.value}"

    def tenant(self, opaque: str) -> str:
        """Return the name of a tenant's log-in; its schema has the same name without the prefix."""
        return f"{self.prefix}{schema_name(opaque)}"


def schema_name(opaque: str) -> str:
    """Return the name of the schema of the tenant that *opaque* stands for."""
    return f"org_{opaque}"
