"""States and uses of certificates in the reader's language."""

from __future__ import annotations

from types import MappingProxyType

from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.security.certificates.rules import KeyState, KeyUse

_STATES: MappingProxyType[KeyState, str] = MappingProxyType(
    {
        KeyState.PENDING: mark("pending"),
        KeyState.ACTIVE: mark("in force"),
        KeyState.RETIRING: mark("being replaced"),
        KeyState.RETIRED: mark("retired"),
        KeyState.REVOKED: mark("revoked"),
    }
)
_USES: MappingProxyType[KeyUse, str] = MappingProxyType(
    {KeyUse.SIGN: mark("signing"), KeyUse.ENCRYPT: mark("encryption")}
)


def told_state(state: KeyState) -> str:
    """Return where a key stands, in the reader's language."""
    return text(_STATES[state])


def told_use(use: KeyUse) -> str:
    """Return what a key is for, in the reader's language."""
    return text(_USES[use])
