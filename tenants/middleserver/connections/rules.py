"""Who a connected system is and what it may; rates; the test mode; the headers of uploads in pieces. Pure.

Source: A0-155; decisions 30 and 31.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from chukan.platform.clock import as_utc
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.connections.errors import (
    CertificateExpired,
    CertificateRevoked,
    FingerprintMalformed,
    HeaderMalformed,
    NotAllowed,
    RateUnknown,
    SenderMismatch,
    TestPersonsOnly,
)
from chukan.tenants.middleserver.formats.messages import MessageMode

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_OFFSET = re.compile(r"[0-9]{1,15}")
_DIGEST_BYTES = 32


class Allowed(StrEnum):
    """What a system may be allowed to do."""

    #: Send files of duplicate copies, have them registered, read their error reports.
    UPLOADS = "uploads"
    #: Ask for linkage codes.
    LINKAGE_CODES = "linkage_codes"
    #: Read what is registered (A0-091).
    MANAGEMENT_INFORMATION = "management_information"
    #: Ask other organisations, and read what they provided.
    INQUIRIES = "inquiries"
    #: Decide on what other organisations ask for, and bar automatic replies.
    PROVISIONS = "provisions"


class RateKind(StrEnum):
    """What is counted together."""

    MESSAGES = "messages"
    PIECES = "pieces"
    OTHERS = "others"


@dataclass(frozen=True, slots=True)
class System:
    """A system of an organisation and its certificate (SHA-256 of its DER, 64 hexadecimal digits); instants are UTC."""

    id: UUID
    fingerprint: str
    tenant: TenantId
    department: str
    system_id: str
    allowed: frozenset[Allowed]
    valid_from: datetime
    valid_until: datetime
    registered_at: datetime
    revoked_at: datetime | None = None

    @property
    def actor(self) -> str:
        """How the trail names it."""
        return f"connected_system:{self.id}"

    def require_valid(self, now: datetime) -> None:
        """Let the certificate pass at *now*; valid is [valid_from, valid_until).

        Raises:
            CertificateRevoked: it was taken back.
            CertificateExpired: it does not hold, not yet or not any more.
        """
        if self.revoked_at is not None and self.revoked_at <= as_utc(now):
            raise CertificateRevoked
        if not self.valid_from <= as_utc(now) < self.valid_until:
            raise CertificateExpired

    def require_allowed(self, wanted: Allowed) -> None:
        """Let the system do *wanted*; raises NotAllowed."""
        if wanted not in self.allowed:
            raise NotAllowed(wanted=wanted.value)

    def require_sender(self, *, department: str, system_id: str | None = None) -> None:
        """Let a message pass whose header names *department* and *system_id*; raises SenderMismatch."""
        if department != self.department:
            raise SenderMismatch(field="RequestSourceUnitCode")
        if system_id is not None and system_id != self.system_id:
            raise SenderMismatch(field="SourceSystemID")


def fingerprint_of(written: str) -> str:
    """Return the fingerprint that *written* stands for; colons and capitals, as tools print them, are taken.

    Raises:
        FingerprintMalformed: it is not a SHA-256.
    """
    plain = written.replace(":", "").strip().lower()
    if _FINGERPRINT.fullmatch(plain) is None:
        raise FingerprintMalformed
    return plain


# -- rates -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many *requests* of a *kind* in *span*, in force from *valid_from* (a day in Tokyo) on."""

    kind: RateKind
    requests: int
    span: timedelta
    valid_from: date


def rate_on(rates: Iterable[Rate], kind: RateKind, day: date) -> Rate:
    """Return the rate of *kind* that holds on *day*; raises RateUnknown."""
    held = [rate for rate in rates if rate.kind is kind and rate.valid_from <= day]
    if not held:
        raise RateUnknown(kind=kind.value, day=day)
    return max(held, key=lambda rate: rate.valid_from)


# -- the test mode ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TestPersons:
    """Address numbers from *first* to *last* (both included) that belong to nobody."""

    __test__ = False

    first: str
    last: str

    def __contains__(self, address: str) -> bool:
        return self.first <= address <= self.last

    def require(self, mode: MessageMode, addresses: Collection[str]) -> None:
        """Let *addresses* pass in *mode*: test persons in test mode alone, and nobody else in it.

        Raises:
            TestPersonsOnly: a person is of the other mode; the number is not repeated.
        """
        if any((address in self) is not (mode is MessageMode.TEST) for address in addresses):
            raise TestPersonsOnly


# -- headers ---------------------------------------------------------------------------------------------------


def idempotency_key(written: str) -> str:
    """Return the key that a caller gives a request; raises HeaderMalformed."""
    if _KEY.fullmatch(written) is None:
        raise HeaderMalformed(header="Idempotency-Key")
    return written


def offset_of(written: str | None) -> int:
    """Return the Upload-Offset in bytes; raises HeaderMalformed."""
    return _number(written, "Upload-Offset")


def length_of(written: str | None) -> int:
    """Return the Upload-Length in bytes; raises HeaderMalformed."""
    return _number(written, "Upload-Length")


def checksum_of(written: str | None) -> str:
    """Return the SHA-256 (hexadecimal) of ``Upload-Checksum: sha256 <base64>``; raises HeaderMalformed."""
    algorithm, _, encoded = (written or "").partition(" ")
    digest = _decoded(encoded, "Upload-Checksum")
    if algorithm != "sha256" or len(digest) != _DIGEST_BYTES:
        raise HeaderMalformed(header="Upload-Checksum")
    return digest.hex()


def metadata_of(written: str | None) -> Mapping[str, str]:
    """Return the values of ``Upload-Metadata: name <base64>,name <base64>``; raises HeaderMalformed."""
    found: dict[str, str] = {}
    for pair in (written or "").split(","):
        name, _, encoded = pair.strip().partition(" ")
        if _NAME.fullmatch(name) is None or name in found:
            raise HeaderMalformed(header="Upload-Metadata")
        try:
            found[name] = _decoded(encoded, "Upload-Metadata").decode()
        except UnicodeDecodeError as error:
            raise HeaderMalformed(header="Upload-Metadata") from error
    return found


def _number(written: str | None, header: str) -> int:
    if _OFFSET.fullmatch(written or "") is None:
        raise HeaderMalformed(header=header)
    return int(written or "")


def _decoded(encoded: str, header: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HeaderMalformed(header=header) from error
