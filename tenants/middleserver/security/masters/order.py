"""In which order packages are taken in, and applied: pure rules.

Source: A0-006, A0-009.
"""

from __future__ import annotations

from collections.abc import Sequence

from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.security.masters.errors import (
    PackageMalformed,
    PackageOlder,
    PackageOutOfOrder,
    PackageUnknown,
)
from chukan.tenants.middleserver.security.masters.rules import PackageHead, Publication


def require_next(newest: PackageHead | None, offered: PackageHead) -> None:
    """Do nothing if *offered* is the package that has to come after *newest*.

    Raises:
        PackageOlder: it came long ago.
        PackageOutOfOrder: another one comes before it.
        PackageMalformed: its place is right, but it is not what comes there: after a package without original use
            the same version with it, and then a later version.
    """
    expected = newest.sequence + 1 if newest else 1
    if offered.sequence < expected:
        raise PackageOlder(sequence=offered.sequence, current=expected - 1)
    if offered.sequence > expected:
        raise PackageOutOfOrder(sequence=offered.sequence, expected=expected)
    if reason := _misfit(newest, offered):
        raise PackageMalformed(place=f"Sequence {offered.sequence}", reason=text(reason))


def plan(current: int | None, target: int, held: Sequence[PackageHead]) -> list[int]:
    """Return the packages that an organisation takes, in order, to stand at *target*; none if it stands there.

    An organisation without masters begins with the package without original use of the version of *target*: every
    package is complete. All others take each package after their own.

    Raises:
        PackageUnknown: *target* has not been received.
        PackageOlder: the organisation is beyond it.
    """
    known = {head.sequence: head for head in held}
    if target not in known:
        raise PackageUnknown(sequence=target)
    if current is None:
        begins = target - 1 if known[target].publication is Publication.ORIGINAL_USE else target
        return list(range(begins, target + 1))
    if target < current:
        raise PackageOlder(sequence=target, current=current)
    return list(range(current + 1, target + 1))


def owes_second(current: PackageHead, held: Sequence[PackageHead]) -> bool:
    """Return whether an organisation that took *current* has yet to take it with original use (A0-009)."""
    return current.publication is Publication.COMMON and any(head.sequence > current.sequence for head in held)


def _misfit(newest: PackageHead | None, offered: PackageHead) -> str | None:
    if offered.publication is Publication.ORIGINAL_USE:
        if newest is None or newest.publication is not Publication.COMMON or newest.version != offered.version:
            return mark("a package with original use follows the one without it, of the same version")
        if (newest.kind, newest.linkage_start) != (offered.kind, offered.linkage_start):
            return mark("a package with original use repeats kind and linkage start of the one without it")
        return None
    if newest is not None and newest.publication is not Publication.ORIGINAL_USE:
        return mark("a package without original use is followed by the same version with it")
    if newest is not None and _version(newest) >= _version(offered):
        return mark("a later package has a later version")
    return None


def _version(head: PackageHead) -> tuple[int, ...]:
    return tuple(map(int, head.version.split(".")))
