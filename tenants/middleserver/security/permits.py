"""Permits (情報提供許可証): that the network lets this organisation provide this information of this person, now.

A permit is signed by the network on its own, so that it stays proof when the message that brought it is gone.

Source: A0-159; docs/interfaces/national-network.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chukan.platform.errors import ChukanError, Failure
from chukan.platform.messages import mark, text
from chukan.tenants.middleserver.formats.codes import AffairCode, InformationCode, ProcedureCode
from chukan.tenants.middleserver.formats.messages import Message, MessageMode, parse
from chukan.tenants.middleserver.security.certificates.x509 import kid_of
from chukan.tenants.middleserver.security.errors import JoseRefused
from chukan.tenants.middleserver.security.jose import MAX_AHEAD, PublicKeys, Window, payload_of, verify

PERMIT = "IF_SCM_X0301_S01"
#: Longer than any permit is valid: how long it is, the permit itself says.
_SIGNATURE_LASTS = timedelta(days=40)


class PermitFault(StrEnum):
    """What is wrong with a permit."""

    SIGNATURE = "signature"
    FORM = "form"
    PROVIDER = "provider"
    REQUEST = "request"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    CERTIFICATE = "certificate"


_FAULTS = {
    PermitFault.SIGNATURE: mark("it is not signed by the network"),
    PermitFault.FORM: mark("it does not follow its schema"),
    PermitFault.PROVIDER: mark("it is for another provider"),
    PermitFault.REQUEST: mark("it is for another request"),
    PermitFault.EXPIRED: mark("it is no longer valid"),
    PermitFault.NOT_YET_VALID: mark("it was issued in the future"),
    PermitFault.CERTIFICATE: mark("the inquirer's certificate is not the one that it names"),
}


@dataclass(frozen=True)
class Claims:
    """What a permit that does not hold says of itself: as true as the message that brought it."""

    id: UUID
    affair: AffairCode
    procedure: ProcedureCode
    information: InformationCode
    valid_until: datetime


class PermitInvalid(ChukanError):
    """A permit does not allow what is asked for; ``claims`` are what it says, if it can be read at all."""

    code = "permits.invalid"
    failure = Failure.REFUSED
    message = mark("The permit does not allow the provision: {reason}.")
    hint = mark("Nothing is provided. If the network's signature is right, tell its operators; else it is an attack.")

    def __init__(self, fault: PermitFault, claims: Claims | None, *, detail: str = "") -> None:
        """Refuse for *fault*."""
        super().__init__(reason=text(_FAULTS[fault]), detail=detail or fault.value)
        self.fault = fault
        self.claims = claims


@dataclass(frozen=True)
class Asked:
    """What the request says that brought the permit, and at which organisation (institution code) it arrived."""

    provider: str
    serial: str
    inquirer: str
    certificate: str = field(repr=False)
    mode: MessageMode = MessageMode.PRODUCTION


@dataclass(frozen=True)
class Permit:
    """A permit that was verified. ``code`` is the provider's own code of the person; instants are UTC.

    ``valid_until`` is the first instant at which it is no longer valid. ``kid`` and ``key`` are those of the
    certificate of the inquirer to which the answer is encrypted.
    """

    id: UUID
    serial: str
    inquirer: str
    provider: str
    code: str = field(repr=False)
    affair: AffairCode
    procedure: ProcedureCode
    information: InformationCode
    issued_at: datetime
    valid_until: datetime
    kid: str
    key: EllipticCurvePublicKey = field(repr=False)


def verified(token: bytes, asked: Asked, keys: PublicKeys, *, now: datetime) -> Permit:
    """Return the permit *token* (compact JWS), if the network signed it for exactly what is *asked*, and it holds.

    Which person and which information are meant, the permit alone says: nothing else can be provided under it.

    Raises:
        PermitInvalid: it does not hold, or not for this; the first fault is told.

    Source: A0-159 (bad signature, another item or person, expired).
    """
    try:
        signed = verify(token, keys, types={PERMIT}, window=Window(now, max_age=_SIGNATURE_LASTS))
    except JoseRefused as error:
        raise PermitInvalid(PermitFault.SIGNATURE, _claimed(token), detail=f"{error.code} {error.detail}") from error
    try:
        message = parse(signed.payload, {PERMIT})
    except ChukanError as error:
        raise PermitInvalid(PermitFault.FORM, None, detail=error.code) from error
    claims, read = _claims(message), message.value
    if (fault := _fault(message, signed.headers, asked, claims, now)) is not None:
        raise PermitInvalid(fault, claims)
    kid = read("EncryptionKid")
    key = _encryption_key(asked, kid, now)
    if key is None:
        raise PermitInvalid(PermitFault.CERTIFICATE, claims)
    return Permit(
        id=claims.id,
        serial=asked.serial,
        inquirer=asked.inquirer,
        provider=asked.provider,
        code=read("LinkageCode"),
        affair=claims.affair,
        procedure=claims.procedure,
        information=claims.information,
        issued_at=instant(read("IssuedAt")),
        valid_until=claims.valid_until,
        kid=kid,
        key=key,
    )


def _fault(
    message: Message, headers: Mapping[str, str | int], asked: Asked, claims: Claims, now: datetime
) -> PermitFault | None:
    """Return what is wrong with a permit that the network signed."""
    read = message.value
    if message.header.message_id != claims.id or message.header.mode is not asked.mode:
        return PermitFault.FORM
    if read("ProviderInstitution") != asked.provider or headers.get("to") != asked.provider:
        return PermitFault.PROVIDER
    if (read("ProcessingSerial"), read("InquirerInstitution")) != (asked.serial, asked.inquirer):
        return PermitFault.REQUEST
    if now >= claims.valid_until:
        return PermitFault.EXPIRED
    if instant(read("IssuedAt")) > now + MAX_AHEAD:
        return PermitFault.NOT_YET_VALID
    return None


def instant(told: str) -> datetime:
    """Return the instant (UTC) of an element of the schemas' type JapanSecond."""
    return datetime.fromisoformat(told).astimezone(UTC)


def certificate_key(pem: str) -> EllipticCurvePublicKey:
    """Return the key of a certificate (PEM) that was accepted with a permit.

    Raises:
        ValueError: it is no certificate of a key on P-256.
    """
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("the certificate is of another kind of key")  # noqa: TRY004 - the certificate is wrong, no argument
    return key


def _encryption_key(asked: Asked, kid: str, now: datetime) -> EllipticCurvePublicKey | None:
    """Return the key of the inquirer's certificate, if that is the one which the permit names by *kid*.

    Nobody else has to vouch for it: the network signed the digest that *kid* is.
    """
    try:
        key = certificate_key(asked.certificate)
        certificate = x509.load_pem_x509_certificate(asked.certificate.encode())
    except ValueError:
        return None
    names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    in_force = certificate.not_valid_before_utc <= now + MAX_AHEAD and now < certificate.not_valid_after_utc
    holds = kid_of(certificate.public_bytes(Encoding.DER)) == kid and names == [asked.inquirer] and in_force
    return key if holds else None


def _claims(message: Message) -> Claims:
    read = message.value
    return Claims(
        id=UUID(read("PermitID")),
        affair=AffairCode(read("Affair")),
        procedure=ProcedureCode(read("Procedure")),
        information=InformationCode(read("Information")),
        valid_until=instant(read("ValidUntil")),
    )


def _claimed(token: bytes) -> Claims | None:
    """Return what a permit claims, of which nothing is proven; None if it cannot be read."""
    try:
        return _claims(parse(payload_of(token), {PERMIT}))
    except (ChukanError, ValueError):
        return None
