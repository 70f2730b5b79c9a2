"""Keys and certificates as bytes: making a key pair and its request, and judging what the issuer answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.x509.oid import NameOID

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import mark, text
from chukan.platform.service_hours.deadlines import shipped_deadlines
from chukan.tenants.middleserver.security.certificates.errors import CertificateRefused
from chukan.tenants.middleserver.security.certificates.rules import KeyUse

_KID_DIGITS = 32


@dataclass(frozen=True)
class Certified:
    """A certificate as it is stored: DER, its id, and from when to when it is valid (UTC, the end exclusive)."""

    der: bytes
    kid: str
    not_before: datetime
    not_after: datetime


def new_key() -> EllipticCurvePrivateKey:
    """Return a new key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def private_bytes(key: EllipticCurvePrivateKey) -> bytes:
    """Return *key* as PKCS #8 in DER, in the clear: it goes into the vault at once."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip


def private_key(der: bytes) -> EllipticCurvePrivateKey:
    """Return the key of ``private_bytes``."""
    key = serialization.load_der_private_key(der, password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError(type(key))
    return key


def request_of(key: EllipticCurvePrivateKey, institution_code: str, use: KeyUse) -> str:
    """Return the request (PEM) for a certificate of *key* in the name of an institution for one use."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, use.value),
            x509.NameAttribute(NameOID.COMMON_NAME, institution_code),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def kid_of(der: bytes) -> str:
    """Return the id of the certificate *der*: the first 32 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(der).hexdigest()[:_KID_DIGITS]


def accepted(pem: str, key: EllipticCurvePrivateKey, institution_code: str, now: datetime) -> Certified:
    """Return the certificate *pem*, if it is one for *key* of the institution, and valid at *now*.

    Raises:
        CertificateRefused: it is something else.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        public = certificate.public_key()
    except ValueError as error:
        raise _refused(mark("it is no certificate")) from error
    if not isinstance(public, EllipticCurvePublicKey) or public != key.public_key():
        raise _refused(mark("it is for another key"))
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [institution_code]:
        raise _refused(mark("it is for another institution"))
    if now >= certificate.not_valid_after_utc:
        raise _refused(mark("it is over already"))
    # A day more: who counts the five years in UTC may end on the day after, seen from Tokyo.
    begins = as_tokyo(certificate.not_valid_before_utc).date()
    latest = shipped_deadlines().certificate(begins) + timedelta(days=1)
    if as_tokyo(certificate.not_valid_after_utc).date() > latest:
        raise _refused(mark("it is valid for longer than five years"))
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Certified(der, kid_of(der), certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def public_key_of(der: bytes) -> EllipticCurvePublicKey:
    """Return the public key of the certificate *der*."""
    key = x509.load_der_x509_certificate(der).public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError(type(key))
    return key


def _refused(reason: str) -> CertificateRefused:
    return CertificateRefused(reason=text(reason))
