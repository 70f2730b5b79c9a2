"""The vendor's own certificate, key and authority, looked at before anything is sent.

Source: A0-155.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from chukan.platform.clock import as_tokyo
from chukan.platform.messages import text
from chukan.tenants.middleserver.connections.connection_test.rules import Failed, Finding

#: A certificate that ends within this is told of while there is time.
_SOON = timedelta(days=30)


@dataclass(frozen=True)
class Files:
    """The files that the vendor gave: certificate, private key, the gateway's authority; all PEM."""

    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True)
class Own:
    """The certificate that could be read, and the context that shows it."""

    certificate: x509.Certificate
    context: ssl.SSLContext

    @property
    def fingerprint(self) -> str:
        """Its SHA-256, as the helpdesk registers it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()


def opened(files: Files) -> Own:
    """Return what the files hold; raises Failed, if one of them cannot be used at all."""
    certificate = _certificate(files.certificate)
    _require_key(files, certificate)
    try:
        context = ssl.create_default_context(cafile=str(files.ca))
    except (ssl.SSLError, ValueError) as error:
        raise _unreadable(files.ca) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # No passphrase: a key that needs one was refused above, and nobody is asked on the terminal.
    context.load_cert_chain(files.certificate, files.key, password="")
    return Own(certificate, context)


def judged(own: Own, files: Files, now: datetime) -> str:
    """Return until when the certificate is valid, in words; raises Failed, if it cannot be one that is accepted."""
    if findings := [*_faults(own.certificate, files.certificate.name, now)]:
        raise Failed(*findings)
    ends = own.certificate.not_valid_after_utc
    told = text("valid until {day}, SHA-256 {fingerprint}", day=f"{as_tokyo(ends):%Y-%m-%d}",
                fingerprint=own.fingerprint)  # fmt: skip
    if ends - now < _SOON:
        return text("{told}; it ends soon, have a new one registered in time", told=told)
    return told


def _faults(certificate: x509.Certificate, file: str, now: datetime) -> Iterator[Finding]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    renewed = text("Have a new certificate issued, and registered by the helpdesk.")
    if ends <= now:
        what = text("The client certificate expired on {day}.", day=f"{as_tokyo(ends):%Y-%m-%d}")
        yield Finding(what, renewed, file=file)
    if begins > now:
        what = text("The client certificate is not valid before {day}.", day=f"{as_tokyo(begins):%Y-%m-%d}")
        yield Finding(what, text("Check the clock of this machine, or wait for that day."), file=file)
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage):
        yield Finding(text("The certificate is not one for client authentication."), renewed, file=file)


def _certificate(path: Path) -> x509.Certificate:
    content = path.read_bytes()
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError:
        pass
    try:
        x509.load_der_x509_certificate(content)
    except ValueError as error:
        raise _unreadable(path) from error
    raise Failed(
        Finding(text("The certificate is in DER, not in PEM."), text("Convert it: openssl x509 -inform der"),
                file=path.name)
    )  # fmt: skip


def _require_key(files: Files, certificate: x509.Certificate) -> None:
    name = files.key.name
    try:
        key = load_pem_private_key(files.key.read_bytes(), password=None)
    except TypeError as error:
        what, remedy = text("The private key is locked by a passphrase."), text("Unlock it: openssl pkey")
        raise Failed(Finding(what, remedy, file=name)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unreadable(files.key) from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        what = text("The private key is not that of the certificate.")
        remedy = text("Give the key with which this certificate was applied for.")
        raise Failed(Finding(what, remedy, file=name))


def _unreadable(path: Path) -> Failed:
    what = text("The file cannot be read as PEM.")
    return Failed(Finding(what, text("Give a file that begins with -----BEGIN."), file=path.name))
