"""What a provider gave: opening it, verifying that the provider signed it, and reading its records.

The answer is encrypted to this organisation and signed by the provider, so the network that carries it neither reads
nor changes it. It counts only with a certificate of the provider that the network's authority issued, and only for
the very inquiry that it names.

Source: A0-159, A3-012.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection

from chukan.platform.identifiers import TenantId
from chukan.platform.messages import mark
from chukan.platform.vault.rules import Place
from chukan.platform.vault.service import Vault
from chukan.tenants.middleserver.formats.errors import (
    DocumentForbidden,
    DocumentMalformed,
    DocumentTooLarge,
    MessageRefused,
    MessageUnexpected,
)
from chukan.tenants.middleserver.formats.messages import Element, Message, parse, value
from chukan.tenants.middleserver.inquiries.documents import PROVIDED
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.security.certificates import store as key_store
from chukan.tenants.middleserver.security.certificates.rules import OPENING, KeyUse
from chukan.tenants.middleserver.security.certificates.service import ENCRYPTED_COLUMNS as KEY_COLUMNS
from chukan.tenants.middleserver.security.certificates.x509 import kid_of, private_key
from chukan.tenants.middleserver.security.errors import JoseRefused
from chukan.tenants.middleserver.security.jose import MAX_AGE, MAX_AHEAD, Signed, Window, decrypt, payload_of, verify

(_KEY,) = KEY_COLUMNS
_SIGN = "sign"
#: An answer may lie for as long as a request holds, and its message be repeated for two weeks after.
_LIES = timedelta(days=31) + MAX_AGE


class AnswerUnfit(Exception):
    """An answer does not count; ``why`` is for people, and says nothing of what stood in it."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.detail = detail


class Authority(Protocol):
    """The authority of the national network, which both sides know beforehand."""

    def __call__(self) -> x509.Certificate:
        """Return its certificate."""
        ...


@dataclass(frozen=True)
class Opened:
    """An answer that counts: what the provider signed, by which key, and under which permit."""

    signed: bytes = field(repr=False)
    kid: str
    permit: UUID


@dataclass(frozen=True)
class ProvidedItem:
    """One item of a record; its value is content."""

    code: str
    value: str = field(repr=False)


@dataclass(frozen=True)
class ProvidedRecord:
    """One record as the provider's copy held it; the last published day belongs to it."""

    dataset: str
    version: int
    key: str = field(repr=False)
    parent: str | None = field(repr=False)
    published_from: date
    published_to: date | None
    region: str
    items: Sequence[ProvidedItem] = field(repr=False)


def opened(
    connection: Connection,
    vault: Vault,
    tenant: TenantId,
    *,
    token: bytes,
    certificate_pem: str,
    authority: x509.Certificate,
    found: Inquiry,
    institution: str,
    now: datetime,
) -> Opened:
    """Return what *token* holds, if it is the provider's answer to *found* of the inquirer *institution*.

    Raises:
        AnswerUnfit: it is not.
        VaultTampered: a key of the organisation was changed.
    """
    vouched = _vouched(certificate_pem, authority, found.provider)
    try:
        inner = decrypt(token, _keys(connection, vault, tenant).get)
        keys = {kid: _key_of(each) for kid, each in vouched.items()}
        signed = verify(inner, keys.get, types={PROVIDED}, window=Window(now, max_age=_LIES))
    except JoseRefused as error:
        why = mark("it cannot be opened, or the provider did not sign it")
        raise AnswerUnfit(why, f"{error.code} {error.detail}") from error
    if found.requested_at is None or signed.signed_at < found.requested_at - MAX_AHEAD:
        raise AnswerUnfit(mark("it was signed before it was asked for"))
    certificate = vouched[signed.kid]
    if not certificate.not_valid_before_utc <= signed.signed_at < certificate.not_valid_after_utc:
        raise AnswerUnfit(mark("it was signed outside the validity of the provider's certificate"))
    _require_parties(signed, found.provider, institution)
    message = _parsed(signed.payload)
    told = {
        "ProcessingSerial": found.serial,
        "InquirerInstitution": institution,
        "ProviderInstitution": found.provider,
        "Information": found.information,
    }
    for name, expected in told.items():
        if message.value(name) != expected:
            raise AnswerUnfit(mark("it answers another inquiry"), name)
    return Opened(inner, signed.kid, UUID(message.value("PermitID")))


def records_of(signed: bytes) -> Sequence[ProvidedRecord]:
    """Return the records of an answer that was verified when it was taken in."""
    return [_record(each) for each in parse(payload_of(signed), {PROVIDED}).root.iterfind("Records/Record")]


def _keys(connection: Connection, vault: Vault, tenant: TenantId) -> Mapping[str, EllipticCurvePrivateKey]:
    """Return the organisation's keys for opening by kid, read in the transaction that takes the answer."""
    found = key_store.keys(connection, states=OPENING)
    return {
        key.kid: private_key(vault.open(tenant, Place(_KEY.table, _KEY.column, key.id), key.private_key))
        for key in found
        if key.use is KeyUse.ENCRYPT and key.kid is not None
    }


def _vouched(pem: str, authority: x509.Certificate, provider: str) -> dict[str, x509.Certificate]:
    """Return the certificates of *pem* by kid, if the authority issued each of them to *provider* for signing.

    There are several while one takes over from another: an answer that waited was signed by the older one.
    """
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        for certificate in certificates:
            certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise AnswerUnfit(mark("nobody vouches for the provider's certificate"), repr(error)) from error
    if any(_named(each, NameOID.COMMON_NAME) != [provider] for each in certificates):
        raise AnswerUnfit(mark("the certificate is another institution's"))
    if any(_named(each, NameOID.ORGANIZATIONAL_UNIT_NAME) != [_SIGN] for each in certificates):
        raise AnswerUnfit(mark("the certificate is not one for signing"))
    return {kid_of(each.public_bytes(serialization.Encoding.DER)): each for each in certificates}


def _key_of(certificate: x509.Certificate) -> EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise AnswerUnfit(mark("the certificate is not one for signing"))
    return key


def _require_parties(signed: Signed, provider: str, inquirer: str) -> None:
    """Do nothing if the signature's header names these two, or nobody."""
    for name, expected in (("from", provider), ("to", inquirer)):
        if signed.headers.get(name, expected) != expected:
            raise AnswerUnfit(mark("it answers another inquiry"), name)


def _parsed(document: bytes) -> Message:
    try:
        return parse(document, {PROVIDED})
    except (DocumentForbidden, DocumentMalformed, DocumentTooLarge, MessageRefused, MessageUnexpected) as error:
        raise AnswerUnfit(mark("it does not follow its schema"), error.code) from error


def _named(certificate: x509.Certificate, name: x509.ObjectIdentifier) -> list[str]:
    return [str(each.value) for each in certificate.subject.get_attributes_for_oid(name)]


def _record(element: Element) -> ProvidedRecord:
    ends = value(element, "PublishedTo")
    return ProvidedRecord(
        dataset=value(element, "Dataset"),
        version=int(value(element, "Version")),
        key=value(element, "RecordKey"),
        parent=value(element, "ParentRecordKey") or None,
        published_from=date.fromisoformat(value(element, "PublishedFrom")),
        published_to=date.fromisoformat(ends) if ends else None,
        region=value(element, "RegionCode"),
        items=[ProvidedItem(value(each, "Code"), value(each, "Value")) for each in element.iterfind("Item")],
    )
