"""Address numbers and codes as they are kept: sealed under the organisation's key, found by blind indexes."""

from __future__ import annotations

from uuid import UUID

from chukan.platform.identifiers import TenantId
from chukan.platform.vault.rules import EncryptedColumn
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.codes import AddressNumber
from chukan.tenants.middleserver.linkage_codes.store import Link, Request

_REQUEST, _LINK, _ADDRESS, _CODE = "code_request", "linkage_code", "address", "code"
#: What a rotation of the tenant's data key re-encrypts.
ENCRYPTED_COLUMNS = (
    EncryptedColumn(_REQUEST, _ADDRESS),
    EncryptedColumn(_LINK, _ADDRESS),
    EncryptedColumn(_LINK, _CODE),
)


class Seals:
    """Seals and opens what one organisation keeps of its persons' codes."""

    def __init__(self, vault: Vault, tenant: TenantId) -> None:
        self._vault = vault
        self._tenant = tenant
        self._requested = vault.column(tenant, _REQUEST, _ADDRESS)
        self._addresses = vault.column(tenant, _LINK, _ADDRESS)
        self._codes = vault.column(tenant, _LINK, _CODE)

    def person(self, address: AddressNumber) -> bytes:
        """Return by what a person is found: the blind index of the address number."""
        return self._vault.blind_index(self._tenant, "address_number", address)

    def code_index(self, code: str) -> bytes:
        """Return by what a code is found."""
        return self._vault.blind_index(self._tenant, "linkage_code", code)

    def request_address(self, request: UUID, address: AddressNumber) -> bytes:
        """Return *address* sealed for the request of that id."""
        return self._requested.seal(request, address.encode())

    def address_of(self, request: Request) -> AddressNumber:
        """Return the address number that *request* is about; raises VaultTampered."""
        return AddressNumber(self._requested.open(request.id, request.address).decode())

    def link(self, id_: UUID, address: AddressNumber, code: str) -> tuple[bytes, bytes]:
        """Return address number and code sealed for the link of that id."""
        return self._addresses.seal(id_, address.encode()), self._codes.seal(id_, code.encode())

    def opened(self, link: Link) -> tuple[AddressNumber, str]:
        """Return address number and code of *link*; raises VaultTampered."""
        address = self._addresses.open(link.id, link.address).decode()
        return AddressNumber(address), self._codes.open(link.id, link.code).decode()
