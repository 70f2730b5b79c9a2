"""The words of campaigns."""

from __future__ import annotations

from types import MappingProxyType

from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.operations.campaigns.rules import DelegationObjection, Readiness, Scope, SlotObjection

READINESS_WORDS = MappingProxyType(
    {
        Readiness.READY: mark("ready"),
        Readiness.UNDER_WAY: mark("partly registered"),
        Readiness.NOT_BEGUN: mark("nothing registered"),
        Readiness.OVERDUE: mark("overdue"),
    }
)
SCOPE_WORDS = MappingProxyType(
    {Scope.LATEST_ONLY: mark("the newest alone"), Scope.FULL_HISTORY: mark("all of the past")}
)
OBJECTION_WORDS = MappingProxyType(
    {
        SlotObjection.NOT_IN_CAMPAIGN: mark("the number is not in the campaign"),
        SlotObjection.NOT_LARGE: mark("the number needs no slot"),
        SlotObjection.OUTSIDE: mark("the night is not in the campaign's window"),
        SlotObjection.PAST: mark("the night is past"),
        SlotObjection.FULL: mark("the night is full"),
    }
)
DELEGATION_OBJECTION_WORDS = MappingProxyType(
    {
        DelegationObjection.MANDATORY: mark("it is mandatory for every organisation"),
        DelegationObjection.OVER: mark("the delegation does not begin before the linkage start"),
    }
)


def told_readiness(readiness: Readiness) -> str:
    """Return the word for *readiness* in the reader's language."""
    return text(READINESS_WORDS[readiness])


def told_scope(scope: Scope) -> str:
    """Return the words for *scope* in the reader's language."""
    return text(SCOPE_WORDS[scope])


def told_objection(against: SlotObjection) -> str:
    """Return the words for *against* in the reader's language."""
    return text(OBJECTION_WORDS[against])


def told_delegation_objection(against: DelegationObjection) -> str:
    """Return the words for *against* in the reader's language."""
    return text(DELEGATION_OBJECTION_WORDS[against])
