"""Address numbers and answers as they are kept: sealed under the organisation's key."""

from __future__ import annotations

from uuid import UUID

from chukan.platform.identifiers import TenantId
from chukan.platform.vault.rules import EncryptedColumn
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.codes import AddressNumber
from chukan.tenants.middleserver.inquiries.store import Inquiry

_INQUIRY, _ADDRESS, _ANSWER, _SIGNED = "inquiry", "address", "inquiry_answer", "signed"
#: What a rotation of the tenant's data key re-encrypts.
ENCRYPTED_COLUMNS = (EncryptedColumn(_INQUIRY, _ADDRESS), EncryptedColumn(_ANSWER, _SIGNED, id_column="inquiry"))


class Seals:
    """Seals and opens what one organisation keeps of its inquiries."""

    def __init__(self, vault: Vault, tenant: TenantId) -> None:
        self._addresses = vault.column(tenant, _INQUIRY, _ADDRESS)
        self._answers = vault.column(tenant, _ANSWER, _SIGNED)

    def address(self, inquiry: UUID, address: AddressNumber) -> bytes:
        """Return *address* sealed for the inquiry of that id."""
        return self._addresses.seal(inquiry, address.encode())

    def address_of(self, inquiry: Inquiry) -> AddressNumber:
        """Return whom *inquiry* is about; raises VaultTampered."""
        return AddressNumber(self._addresses.open(inquiry.id, inquiry.address).decode())

    def answer(self, inquiry: UUID, signed: bytes) -> bytes:
        """Return what the provider signed, sealed for the inquiry of that id."""
        return self._answers.seal(inquiry, signed)

    def answer_of(self, inquiry: UUID, sealed: bytes) -> bytes:
        """Return what the provider signed; raises VaultTampered."""
        return self._answers.open(inquiry, sealed)
