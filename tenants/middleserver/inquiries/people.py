"""Linkage codes of many persons in one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from chukan.platform.identifiers import TenantId
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.codes import AddressNumber
from chukan.tenants.middleserver.linkage_codes import store
from chukan.tenants.middleserver.linkage_codes.sealed import Seals


class LinkedPeople:
    """The codes that linkage codes keep (``ports.People``)."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def found_by(self, tenant: TenantId, addresses: Sequence[AddressNumber]) -> Sequence[bytes]:
        """Return by what each of the persons is found: the blind index of the address number."""
        seals = Seals(self._vault, tenant)
        return [seals.person(each) for each in addresses]

    def codes(
        self, connection: Connection, tenant: TenantId, addresses: Mapping[bytes, AddressNumber]
    ) -> Mapping[bytes, str]:
        """Return the codes of those of *addresses* (by blind index) that have one; raises VaultTampered."""
        seals = Seals(self._vault, tenant)
        found = {}
        for person, link in store.links(connection, addresses.keys()).items():
            address, code = seals.opened(link)
            # Two numbers share an index by chance, or were moved: neither is this person's.
            if address == addresses[person]:
                found[person] = code
        return found
