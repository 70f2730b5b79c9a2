"""The network's private CA: its own certificates, the platform's, and those that organisations ask for."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chukan_simulators.national_network import clock

#: The network's own institution code. Invented.
NETWORK = "9999000000000001"
PLATFORM_UNIT = "platform"
TERMINAL_UNIT = "register terminal"
_DECADE = timedelta(days=3652)


class RequestUnfit(Exception):
    """A request for a certificate is not as it must be; ``word`` says what is wrong."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @cached_property
    def kid(self) -> str:
        """The name of both."""
        return kid(self.certificate)

    @property
    def pem(self) -> bytes:
        """Both in PEM, the certificate first."""
        return certificate_pem(self.certificate) + self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @classmethod
    def read(cls, pem: bytes) -> Pair:
        """Return the pair that ``pem`` was."""
        key = serialization.load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(x509.load_pem_x509_certificate(pem), key)


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """Return *certificate* in PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def kid(certificate: x509.Certificate) -> str:
    """Return the name of *certificate* and of its key: the start of its SHA-256."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()[:32]


def five_years_after(start: datetime) -> datetime:
    """Return the same day and time five years on; of a 29 February, 28 February."""
    day = 28 if (start.month, start.day) == (2, 29) else start.day
    return start.replace(year=start.year + 5, day=day)


def subject(common_name: str, unit: str) -> x509.Name:
    """Return the name of *unit* of *common_name*."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        ]
    )


class Authority:
    """The CA. Its key and what it gave to itself and the platform lie in a folder."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    @classmethod
    def kept_in(cls, folder: Path) -> Authority:
        """Return the CA that *folder* holds, made if there is none."""
        path = folder / "ca_key.pem"
        if not path.exists():
            _write(path, _self_signed().pem)
        authority = cls(Pair.read(path.read_bytes()))
        (folder / "ca.pem").write_bytes(certificate_pem(authority.pair.certificate))
        return authority

    def tls_pair(self, path: Path, common_name: str, unit: str, hosts: Sequence[str]) -> Path:
        """Return *path*, which holds a TLS certificate with its key for *hosts*; made if it is not there."""
        if not path.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.ExtendedKeyUsage(usages), False)]
            if hosts:
                extensions.append((x509.SubjectAlternativeName([_host(host) for host in hosts]), False))
            start = clock.now()
            certificate = self._issue(subject(common_name, unit), key.public_key(), start, start + _DECADE, extensions)
            _write(path, Pair(certificate, key).pem)
        return path

    def signing_pair(self) -> Pair:
        """Return a new key of the network with its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        start = clock.now()
        usage: list[tuple[x509.ExtensionType, bool]] = [(_usage(signs=True), True)]
        return Pair(self._issue(subject(NETWORK, "sign"), key.public_key(), start, start + _DECADE, usage), key)

    def organisation_certificate(self, institution: str, use: str, csr: str, now: datetime) -> x509.Certificate:
        """Return a certificate for the key of *csr*, valid for five years.

        Raises: RequestUnfit if *csr* is no request signed by its own key on P-256.
        """
        try:
            request = x509.load_pem_x509_csr(csr.encode())
            fits = request.is_signature_valid
            key = request.public_key()
        except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
            raise RequestUnfit("csr") from error
        if not fits:
            raise RequestUnfit("csr")
        if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
            raise RequestUnfit("key")
        start = now.replace(microsecond=0)
        usage: list[tuple[x509.ExtensionType, bool]] = [(_usage(signs=use == "sign"), True)]
        return self._issue(subject(institution, use), key, start, five_years_after(start), usage)

    def _issue(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePublicKey,
        start: datetime,
        end: datetime,
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        issuer = self.pair.certificate
        builder = _builder(name, issuer.subject, key, start, end)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.pair.key.public_key()), critical=False
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.pair.key, hashes.SHA256())


def _self_signed() -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name, start = subject("Simulated national network CA", "authority"), clock.now()
    builder = _builder(name, name, key.public_key(), start, start + 2 * _DECADE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True, certifies=True), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool, certifies: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs,
        key_cert_sign=certifies,
        crl_sign=certifies,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)
