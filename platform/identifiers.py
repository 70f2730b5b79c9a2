"""Identifiers: what they look like, and how new ones are made.

Names and codes of organisations appear in no database identifier, so a tenant's schema and role are
named by an opaque word that tells nothing (isolation, attacks 14 to 31).
"""

from __future__ import annotations

import re
import secrets
from typing import NewType
from uuid import UUID

#: The hosted side of one organisation. A UUIDv7 made by the database.
TenantId = NewType("TenantId", UUID)

#: The platform itself, where something belongs to no tenant: its own keys, its own audit chain.
PLATFORM = TenantId(UUID(int=0))

_OPAQUE = re.compile(r"[a-z2-7]{16}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def new_opaque_name() -> str:
    """Return 16 random characters of base 32 (80 bits) to name a tenant's schema and role."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))


def is_opaque_name(name: str) -> bool:
    """Return whether *name* has the form of ``new_opaque_name``."""
    return _OPAQUE.fullmatch(name) is not None


def new_request_id() -> str:
    """Return a random id that ties together what one request, command or job wrote."""
    return secrets.token_hex(8)
