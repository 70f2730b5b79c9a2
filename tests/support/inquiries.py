"""For the tests of inquiries: a town that asks, a network in memory that takes, and a provider that answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from lxml import etree
from sqlalchemy import text
from typing_extensions import override

from chukan.platform.clock import as_tokyo
from chukan.platform.identifiers import TenantId
from chukan.platform.service_hours.services import Service
from chukan.tenants.middleserver.formats.codes import (
    AddressNumber,
    AffairCode,
    InformationCode,
    InstitutionCode,
    ProcedureCode,
    address_number,
)
from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render, value
from chukan.tenants.middleserver.gate import Closed, Reason
from chukan.tenants.middleserver.inquiries import store
from chukan.tenants.middleserver.inquiries.data import InquiryData, shipped_data
from chukan.tenants.middleserver.inquiries.documents import CANCELLATION, INQUIRY, PROVIDED, RESULT
from chukan.tenants.middleserver.inquiries.registration import Registered
from chukan.tenants.middleserver.inquiries.rules import Asked, Condition, ConditionKind, Kind
from chukan.tenants.middleserver.inquiries.service import Inquiries
from chukan.tenants.middleserver.inquiries.store import Inquiry
from chukan.tenants.middleserver.inquiries.trail import InquiryCaller
from chukan.tenants.middleserver.linkage_codes.sealed import Seals
from chukan.tenants.middleserver.security.certificates.x509 import kid_of
from chukan.tenants.middleserver.security.jose import SigningKey, Window, encrypt, sign, verify
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM
from chukan.tenants.middleserver.security.masters.rules import (
    Catalogue,
    OrganisationKind,
    PackageHead,
    PackageKind,
    Party,
    Permission,
    Publication,
)
from chukan.tenants.middleserver.security.masters.rules import Organisation as Listed
from chukan.tenants.middleserver.transmission.rules import NETWORK
from chukan.tenants.middleserver.transmission.switch import Stops
from support.exchange import MemoryNetwork, Organisation, Wire
from support.security import NOW, Place

PROVIDER = InstitutionCode("0220113100002200")
STRANGER = InstitutionCode("0220113100002299")
TAX, AFFAIR, PROCEDURE = (
    InformationCode("TM00000000000002"),
    AffairCode("JM01000000121000"),
    ProcedureCode("JT01010000000214"),
)
#: The sixteenth person has no code.
PEOPLE = 15
CODE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def number(place: int) -> AddressNumber:
    return address_number(f"{place:015d}")


def asked(person: int = 1, **changes: Any) -> Asked:
    return replace(Asked(number(person), TAX, AFFAIR, PROCEDURE, PROVIDER), **changes)


def period(begins: date | None = None, ends: date | None = None, year: int | None = None) -> Condition:
    return Condition(ConditionKind.PERIOD, begins, ends, year)


@dataclass
class FixedHours:
    """A gate that says what a test set."""

    state: Closed | None = None
    closes: datetime | None = None
    #: Before this instant it was closed.
    opened_at: datetime | None = None
    #: Closed from the first instant on, and before the second.
    outage: tuple[datetime, datetime] | None = None

    def closed(self, _tenant: TenantId, _service: Service, now: datetime) -> Closed | None:
        if self.outage is not None and self.outage[0] <= now < self.outage[1]:
            return Closed(Reason.OUTAGE, self.outage[1])
        if self.opened_at is not None and now < self.opened_at:
            return Closed(Reason.HOURS, self.opened_at)
        return self.state

    def closes_at(self, _tenant: TenantId, _service: Service, now: datetime) -> datetime | None:
        if self.outage is not None and now < self.outage[0]:
            return self.outage[0]
        return self.closes


class GoesOn:
    """That nobody has stopped the exchange."""

    def require_going(self, _tenant: TenantId) -> None:
        """Let pass."""


@dataclass(frozen=True)
class FixedMasters:
    """Masters that know the towns of a test."""

    institutions: Sequence[str]

    def catalogue(self, _tenant: TenantId) -> Catalogue:
        head = PackageHead(1, "2026.06", Publication.COMMON, PackageKind.ANNUAL, date(2026, 6, 1), NOW)
        kind = OrganisationKind.MUNICIPALITY
        return Catalogue(
            head,
            organisations=tuple(Listed(each, each, kind) for each in self.institutions),
            permissions=(Permission(Party(kind), AFFAIR, PROCEDURE, Party(code=PROVIDER), TAX),),
        )


class InquiryNetwork(MemoryNetwork):
    """Takes inquiries and cancellations, each once and in order."""

    @override
    def _judged(self, message: bytes, fault: str) -> bytes:
        digest = hashlib.sha256(message).hexdigest()
        types = {INQUIRY, CANCELLATION}
        signed = verify(message, lambda kid: self.keys[kid][1], types=types, window=Window(self.clock.now()))
        mid, conv, seq = (str(signed.headers[name]) for name in ("mid", "conv", "seq"))
        self.bodies.setdefault(mid, set()).add(message)
        if (known := self._receipts.get(mid)) is not None:
            return known[1]
        document = etree.fromstring(signed.payload)
        if reason := self.refuse.get(value(document, "MessageHeader/MSGTypeID")):
            return self.receipt(signed.headers, digest, "refused", reason)
        before = self.taken.setdefault(conv, [])
        assert int(seq) == len(before) + 1
        before.append(mid)
        self.documents.append(document)
        self._receipts[mid] = (digest, self.receipt(signed.headers, digest, "accepted"))
        return self._receipts[mid][1]

    @property
    def documents(self) -> list[etree._Element]:
        found: list[etree._Element] = self.__dict__.setdefault("_documents", [])
        return found


@dataclass
class Provider:
    """Who answers: its key, and a certificate of the network's authority."""

    institution: str = PROVIDER
    unit: str = "sign"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def certificate(self, authority: Authority) -> x509.Certificate:
        return authority.issue(self.key.public_key(), self.institution, self.unit)

    def signing(self, certificate: x509.Certificate) -> SigningKey:
        return SigningKey(kid_of(certificate.public_bytes(serialization.Encoding.DER)), self.key)


@dataclass
class Authority:
    """The authority of the national network."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def certificate(self) -> x509.Certificate:
        return self.issue(self.key.public_key(), "authority", "ca")

    def issue(self, public: ec.EllipticCurvePublicKey, common_name: str, unit: str) -> x509.Certificate:
        attributes = [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(attributes))
            .issuer_name(
                x509.Name(
                    [
                        x509.NameAttribute(NameOID.COMMON_NAME, "authority"),
                        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "ca"),
                    ]
                )
            )
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2031, 1, 1, tzinfo=UTC))
        )
        return builder.sign(self.key, hashes.SHA256())


@dataclass
class Asking:
    """An organisation that asks."""

    wire: Wire
    organisation: Organisation
    authority: Authority
    hours: FixedHours
    inquiries: Inquiries
    provider: Provider = field(default_factory=Provider)
    #: The next number of the network's direction, by conversation.
    numbers: dict[UUID, int] = field(default_factory=dict)

    @property
    def tenant(self) -> TenantId:
        return self.organisation.tenant

    @property
    def now(self) -> datetime:
        return self.wire.clock.now()

    @property
    def caller(self) -> InquiryCaller:
        return InquiryCaller(self.tenant, "system:test", "test")

    def later(self, **duration: float) -> None:
        self.wire.clock.advance(timedelta(**duration))

    def window(self, person: int = 1, **changes: Any) -> Inquiry:
        told = self.inquiries.register(self.caller, [asked(person, **changes)], kind=Kind.WINDOW, now=self.now)
        return self.inquiry(told.serials[0])

    def bulk(self, rows: int) -> Registered:
        wishes = [asked(1 + place % PEOPLE) for place in range(rows)]
        return self.inquiries.register(self.caller, wishes, kind=Kind.BULK, now=self.now)

    def pace(self) -> int:
        return self.inquiries.pace(self.tenant, now=self.now, actor="system:test", request="test").count

    def relay(self) -> None:
        self.wire.place.ask("update platform.due set at = clock_timestamp() where kind = 'network-relay'")
        self.wire.relay().run()

    def inquiry(self, serial: str) -> Inquiry:
        with self.wire.place.sessions.begin(self.tenant) as connection:
            found = store.of_serial(connection, serial)
        assert found is not None
        return found

    def events(self, serial: str) -> list[str]:
        with self.wire.place.sessions.begin(self.tenant) as connection:
            return [each.event for each in store.history(connection, self.inquiry(serial).id)]

    def queue(self) -> list[tuple[str, str]]:
        """Return kind and state of the inquiries in the order in which they left."""
        query = (
            "select i.kind, i.state from inquiry i join outbox o on o.conv = i.id"
            " where o.type = 'IF_SKI_X0101_R01' order by o.id"
        )
        with self.wire.place.sessions.begin(self.tenant) as connection:
            return [(row.kind, row.state) for row in connection.execute(text(query))]

    # -- the other side ------------------------------------------------------------------------------

    def provided(
        self,
        found: Inquiry,
        *,
        provider: Provider | None = None,
        permit: UUID | None = None,
        key: SigningKey | None = None,
        under: tuple[str, ec.EllipticCurvePublicKey] | None = None,
        headers: dict[str, str] | None = None,
        signed_at: datetime | None = None,
        change: Callable[[bytes], bytes] = lambda document: document,
        **told: str,
    ) -> dict[str, str]:
        """Return the parts of a result that hold the provider's answer to *found*; *told* changes what it says."""
        provider = provider or self.provider
        certificate = provider.certificate(self.authority)
        header = MessageHeader(uuid4(), PROVIDED, MessageMode.PRODUCTION, PLATFORM_SYSTEM, PLATFORM_SYSTEM)
        root = new_message("ProvidedInformation", header)
        words = {
            "ProcessingSerial": found.serial,
            "InquirerInstitution": self.organisation.institution,
            "ProviderInstitution": found.provider,
            "Information": found.information,
            "PermitID": str(permit or uuid4()),
            **told,
        }
        for name, said in words.items():
            add(root, name, said)
        record = add(add(root, "Records"), "Record")
        for name, said in (
            ("Dataset", "0101"), ("Version", "4"), ("RecordKey", "K1"), ("PublishedFrom", "2026-06-01"),
            ("RegionCode", "210"),
        ):  # fmt: skip
            add(record, name, said)
        item = add(record, "Item")
        add(item, "Code", "INCOME")
        add(item, "Value", "1234567")
        signed = sign(
            change(render(root)),
            key or provider.signing(certificate),
            type=PROVIDED,
            now=signed_at or self.now,
            headers=headers or {"from": provider.institution, "to": self.organisation.institution},
        )
        kid, public = under or self.organisation.encryption
        return {
            "EncryptedAnswer": encrypt(signed, kid=kid, key=public).decode(),
            "ProviderCertificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        }

    def result(
        self,
        found: Inquiry,
        result: str,
        parts: Mapping[str, str | None] = MappingProxyType({}),
        *,
        conv: UUID | None = None,
        mode: MessageMode = MessageMode.PRODUCTION,
    ) -> dict[str, str]:
        """Deliver the network's result for *found*; return what our receipt says."""
        mid, conversation = uuid4(), conv or found.id
        root = new_message("InquiryResult", MessageHeader(mid, RESULT, mode, NETWORK_SYSTEM, PLATFORM_SYSTEM))
        told = {
            "ProcessingSerial": found.serial,
            "ProviderInstitution": found.provider,
            "Result": result,
            "ProvidedAt": None if result == "deferred" else as_tokyo(self.now).isoformat(timespec="seconds"),
            **parts,
        }
        order = ("ProcessingSerial", "ProviderInstitution", "Result", "Reason", "ExpectedOn", "Explanation",
                 "ProvidedAt", "ValidUntil", "EncryptedAnswer", "ProviderCertificate")  # fmt: skip
        for name in order:
            if told.get(name):
                add(root, name, told[name])
        seq = self.numbers.get(conversation, 1)
        headers: dict[str, str | int] = {
            "from": NETWORK, "to": self.organisation.institution, "mid": str(mid), "conv": str(conversation),
            "seq": seq,
        }  # fmt: skip
        signed = sign(render(root), self.wire.network.key, type=RESULT, now=self.now, headers=headers)
        kid, public = self.organisation.encryption
        outer = {"typ": RESULT, "to": self.organisation.institution}
        _status, receipt, _ = self.wire.deliver(encrypt(signed, kid=kid, key=public, headers=outer))
        self.numbers[conversation] = seq + (receipt.get("Result") == "accepted")
        return receipt

    def answer(self, found: Inquiry) -> dict[str, str]:
        return self.result(found, "provided", self.provided(found))


def give_codes(place: Place, tenant: TenantId, people: int = PEOPLE) -> None:
    """Let the first *people* persons have linkage codes."""
    seals = Seals(place.vault, tenant)
    with place.sessions.begin(tenant) as connection:
        for person in range(1, people + 1):
            code = f"{CODE[person % 26]}{CODE[person // 26]}{CODE[2:]}"
            id_ = connection.execute(text("select uuidv7()")).scalar_one()
            address, sealed = seals.link(id_, number(person), code)
            connection.execute(
                text(
                    "insert into linkage_code (id, person, code_index, code, address, request, linked_at)"
                    " values (:id, :person, :index, :code, :address, :id, now())"
                ),
                {"id": id_, "person": seals.person(number(person)), "index": seals.code_index(code), "code": sealed,
                 "address": address},
            )  # fmt: skip


def asking_of(wire: Wire, *, data: InquiryData | None = None, limited: bool = True) -> Asking:
    organisation = wire.organisation()
    network = InquiryNetwork(wire.network.key, keys=wire.network.keys, clock=wire.clock)
    wire.network = network
    authority = Authority()
    hours = FixedHours(closes=NOW + timedelta(hours=9))
    place = wire.place
    inquiries = Inquiries(
        place.sessions,
        place.vault,
        FixedMasters([organisation.institution, PROVIDER, STRANGER]),
        hours,
        lambda: authority.certificate,
        going=Stops(place.actor.engine),
        data=data or shipped_data(),
        limited=limited,
    )
    wire.features = inquiries.features()
    give_codes(place, organisation.tenant)
    return Asking(wire, organisation, authority, hours, inquiries)
