"""How people call delegations and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

from chukan.platform.messages import mark, text
from chukan.tenants.registry.delegations.rules import End, Extent, Finding, Unclear

_ENDS: Mapping[End, str] = {
    End.DELEGATOR: mark("the delegating end"),
    End.DELEGATE: mark("the accepting end"),
}
_EXTENTS: Mapping[Extent, str] = {
    Extent.FULL: mark("all affairs"),
    Extent.PARTIAL: mark("some affairs"),
}
_FINDINGS: Mapping[Finding, str] = {
    Finding.NOT_ACCEPTED: mark("delegated, but not accepted"),
    Finding.NOT_DELEGATED: mark("accepted, but not delegated"),
    Finding.EXTENT_DIFFERS: mark("one end says all affairs, the other one some"),
    Finding.AFFAIRS_DIFFER: mark("the ends name different affairs"),
}
_UNCLEAR: Mapping[Unclear, str] = {
    Unclear.ONE_END: mark("only one end has declared the delegation"),
    Unclear.TWO_DELEGATES: mark("it is delegated to two"),
}


def end_label(end: End) -> str:
    """Return whose word it is, in the reader's language."""
    return text(_ENDS[end])


def extent_label(extent: Extent) -> str:
    """Return how much is delegated, in the reader's language."""
    return text(_EXTENTS[extent])


def finding_label(finding: Finding) -> str:
    """Return in what two ends do not agree, in the reader's language."""
    return text(_FINDINGS[finding])


def unclear_label(unclear: Unclear) -> str:
    """Return why it is not clear who answers, in the reader's language."""
    return text(_UNCLEAR[unclear])
