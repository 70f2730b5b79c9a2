"""What provisions ask of others: masters, excluded items, and the network's keys."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from sqlalchemy import Connection

from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.formats.codes import InformationCode
from chukan.tenants.middleserver.security.jose import PublicKeys
from chukan.tenants.middleserver.security.masters.rules import Layout


class MastersInForce(Protocol):
    """The masters that are in force for an organisation."""

    def layouts(self, tenant: TenantId, information: str) -> Sequence[Layout]:
        """Return all layouts of *information* (a code), oldest first; empty if it is not known."""
        ...

    def permits(
        self, tenant: TenantId, *, inquirer: str, affair: str, procedure: str, provider: str, information: str
    ) -> bool:
        """Return whether the permission table lets *inquirer* ask *provider* for *information* for that affair."""
        ...


class ExcludedItems(Protocol):
    """The items that an organisation does not provide (A0-095)."""

    def __call__(
        self, connection: Connection, tenant: TenantId, information: InformationCode, day: date, /
    ) -> Collection[tuple[str, str]]:
        """Return dataset (four digits) and code of each item that is excluded on *day*, in the tenant's session."""
        ...


@dataclass(frozen=True)
class Neighbours:
    """All that a reply needs beside the organisation's own rows."""

    masters: MastersInForce
    excluded: ExcludedItems
    #: The network's keys, as the reception of messages has them.
    network_keys: PublicKeys
