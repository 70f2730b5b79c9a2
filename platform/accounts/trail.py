"""What accounts write into the audit trail: all of it is the platform's, so it stands in its chain."""

from __future__ import annotations

from uuid import UUID

from chukan.platform.audit.rules import Action


class AccountAction(Action):
    """The acts on operators, their log-ins, and requests for a second person."""

    CREATE = "accounts:operator:create"
    INVITE = "accounts:operator:invite"
    ENROL = "accounts:operator:enrol"
    UNLOCK = "accounts:operator:unlock"
    CHANGE_ROLES = "accounts:operator:change_roles"
    DISABLE = "accounts:operator:disable"
    LOG_IN = "accounts:session:log_in"
    LOG_OUT = "accounts:session:log_out"
    RENEW = "accounts:session:renew"
    REVOKE = "accounts:session:revoke"
    ASK = "accounts:request:ask"
    APPROVE = "accounts:request:approve"
    REJECT = "accounts:request:reject"
    EXPIRE = "accounts:request:expire"


def operator_reference(account: UUID) -> str:
    """Return how the trail names an operator, as actor and as subject; never by a personal name."""
    return f"operator:{account}"


def request_reference(request: UUID) -> str:
    """Return how the trail names a request for a second person."""
    return f"request:{request}"
