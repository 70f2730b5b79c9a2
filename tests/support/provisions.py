"""For the tests of provisions: a provider with persons, copies and certificates; a network that asks; an inquirer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from sqlalchemy import Connection, text

from chukan.platform.clock import as_tokyo
from chukan.platform.identifiers import TenantId
from chukan.tenants.middleserver.duplicate_copies.copies import Copies
from chukan.tenants.middleserver.formats.codes import (
    AddressNumber,
    DatasetNumber,
    InformationCode,
    address_number,
    tokyo_day_begins,
)
from chukan.tenants.middleserver.formats.messages import MessageHeader, MessageMode, add, new_message, render, value
from chukan.tenants.middleserver.linkage_codes.ports import NotRecordedYet
from chukan.tenants.middleserver.linkage_codes.sealed import Seals
from chukan.tenants.middleserver.linkage_codes.service import LinkageCodes
from chukan.tenants.middleserver.linkage_codes.store import Link, add_link
from chukan.tenants.middleserver.provision_records.rules import Fact
from chukan.tenants.middleserver.provision_records.service import Records
from chukan.tenants.middleserver.provisions import store
from chukan.tenants.middleserver.provisions.bars import Scope
from chukan.tenants.middleserver.provisions.documents import ANSWER, CANCELLATION, INFORMATION, REQUEST
from chukan.tenants.middleserver.provisions.ports import Neighbours
from chukan.tenants.middleserver.provisions.service import Provisions
from chukan.tenants.middleserver.provisions.store import Stored
from chukan.tenants.middleserver.provisions.trail import Caller
from chukan.tenants.middleserver.security.certificates.x509 import kid_of
from chukan.tenants.middleserver.security.jose import SigningKey, Window, decrypt, encrypt, sign, verify
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM
from chukan.tenants.middleserver.security.permits import PERMIT
from chukan.tenants.middleserver.transmission.ports import Answer
from chukan.tenants.middleserver.transmission.relay import Relay
from chukan.tenants.middleserver.transmission.rules import NETWORK
from chukan.tenants.middleserver.transmission.sending import Peers, Sender
from support import copies as copy_support
from support.copies import INFORMATION as INFORMATION_2
from support.copies import FixedMasters, Row
from support.exchange import AT_ONCE, Organisation, Wire

INQUIRER = "0113010111234567"


class PermittingMasters(FixedMasters):
    """Masters that know one information, and allow everything but what ``forbidden`` names."""

    forbidden: frozenset[str] = frozenset()

    def permits(
        self, tenant: TenantId, *, inquirer: str, affair: str, procedure: str, provider: str, information: str
    ) -> bool:
        known = {tenant, inquirer, affair, procedure, provider}
        return information not in self.forbidden and len(known) == 5


AFFAIR, PROCEDURE = "JM00000000000001", "JT00000000000001"
_serials = count(1)


def new_serial() -> str:
    # No run of digits that could be taken for a person's number.
    return f"SERIAL{next(_serials):06d}ABCDEFGH"


def code_of(person: int) -> str:
    """Return the provider's linkage code of a person: 32 characters of A to Z and 2 to 7."""
    return f"{person:032d}".translate(str.maketrans("0123456789", "ABCDEFGHIJ"))


@dataclass
class Inquirer:
    """The institution that asks; the certificate is of the network's authority."""

    wire: Wire
    institution: str = INQUIRER
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.pem = self.wire.place.network.certificate(self.key.public_key(), self.institution)
        self.kid = kid_of(x509.load_pem_x509_certificate(self.pem.encode()).public_bytes(Encoding.DER))

    def opened(self, sealed: str, provider: Organisation) -> etree._Element:
        """Return the document of an encrypted answer, whose signature is the provider's."""
        signed = decrypt(sealed.encode(), {self.kid: self.key}.get)
        keys = {
            kid: key
            for kid, (institution, key) in self.wire.network.keys.items()
            if institution == provider.institution
        }
        told = verify(signed, keys.get, types={INFORMATION}, window=Window(self.wire.clock.now()))
        assert (told.headers["from"], told.headers["to"]) == (provider.institution, self.institution)
        return etree.fromstring(told.payload)


@dataclass
class AnswerNetwork:
    """Takes answers and receipts them; ``refuse`` names a reason for the next one."""

    wire: Wire
    answers: list[etree._Element] = field(default_factory=list)
    refuse: str = ""

    def send(self, message: bytes) -> Answer:
        keys = self.wire.network.keys
        signed = verify(message, lambda kid: keys[kid][1], types={ANSWER}, window=Window(self.wire.clock.now()))
        digest = hashlib.sha256(message).hexdigest()
        reason, self.refuse = self.refuse, ""
        if not reason:
            self.answers.append(etree.fromstring(signed.payload))
        return Answer(
            200, self.wire.network.receipt(signed.headers, digest, "refused" if reason else "accepted", reason)
        )


@dataclass
class Permitted:
    """A permit as a test wants it; what is None is right."""

    provider: str | None = None
    serial: str | None = None
    inquirer: str | None = None
    code: str | None = None
    information: str | None = None
    issued_at: datetime | None = None
    valid_until: datetime | None = None
    kid: str | None = None
    key: SigningKey | None = None
    change: Callable[[bytes], bytes] = lambda token: token


@dataclass
class Provider:
    """An organisation that provides, and everything around it."""

    wire: Wire
    masters: PermittingMasters = field(default_factory=PermittingMasters)
    excluded: set[tuple[str, str]] = field(default_factory=set)
    #: What happens instead when it is asked for what is excluded.
    excluding: Callable[[], Collection[tuple[str, str]]] | None = None

    def __post_init__(self) -> None:
        place = self.wire.place
        self.organisation: Organisation = self.wire.organisation()
        self.inquirer = Inquirer(self.wire)
        self.network = AnswerNetwork(self.wire)
        linkage = LinkageCodes(place.sessions, place.vault, NotRecordedYet())
        neighbours = Neighbours(self.masters, self._excluded, place.network.public_key)
        self.provisions = Provisions(
            place.sessions, place.vault, Copies(place.sessions, place.vault), linkage, neighbours
        )
        self.records = Records(place.sessions)
        self.wire.features = self.provisions.features()
        self.convs: dict[str, UUID] = {}
        self.permits: dict[str, UUID] = {}

    def _excluded(
        self, _connection: Connection, _tenant: TenantId, _information: InformationCode, _day: date
    ) -> Collection[tuple[str, str]]:
        return self.excluding() if self.excluding else self.excluded

    @property
    def tenant(self) -> TenantId:
        return self.organisation.tenant

    @property
    def caller(self) -> Caller:
        return Caller(self.tenant, "operator:test", "test", "3595115400")

    @property
    def now(self) -> datetime:
        return self.wire.clock.now()

    @property
    def copies(self) -> copy_support.Organisation:
        place = self.wire.place
        made = copy_support.Organisation(place.safe, self.tenant, place.sessions, place.vault, self.wire.clock)
        made.masters = self.masters
        return made

    # -- what is there -------------------------------------------------------------------------------

    def link(self, *people: int, request: UUID | None = None) -> None:
        """Let the network have given codes for *people*, asked for by a *request*."""
        seals = Seals(self.wire.place.vault, self.tenant)
        with self.wire.place.sessions.begin(self.tenant) as connection:
            for person in people:
                address, code, id_ = number(person), code_of(person), uuid4()
                sealed_address, sealed_code = seals.link(id_, address, code)
                add_link(
                    connection,
                    Link(id_, seals.person(address), seals.code_index(code), sealed_code, sealed_address,
                         request or uuid4(), self.now - timedelta(days=1), None),
                )  # fmt: skip

    def register(self, rows: Sequence[Row]) -> None:
        """Register copies; at these tests' clock the layout is linked."""
        self.copies.send_rows(rows)
        (report,) = self.copies.register().files
        assert report.outcome.value == "registered", self.copies.report(report.upload)

    # -- what the network does -----------------------------------------------------------------------

    def ask(
        self,
        person: int,
        *,
        serial: str | None = None,
        requested_at: datetime | None = None,
        permitted: Permitted | None = None,
        condition: Mapping[str, str] | None = None,
        conv: UUID | None = None,
        non_disclosure: bool = False,
        mode: MessageMode = MessageMode.PRODUCTION,
    ) -> tuple[str, dict[str, str]]:
        """Deliver a request about *person*; return its serial and the receipt."""
        serial = serial or new_serial()
        conv = self.convs[serial] = conv or uuid4()
        requested_at = requested_at or self.now
        permit = self.permit(person, serial, requested_at, permitted or Permitted(), mode)

        def write(mid: UUID) -> bytes:
            header = MessageHeader(mid, REQUEST, mode, NETWORK_SYSTEM, PLATFORM_SYSTEM)
            root = new_message("ProvisionRequest", header)
            add(root, "ProcessingSerial", serial)
            add(root, "InquirerInstitution", self.inquirer.institution)
            add(root, "InquirerName", "架空市")
            add(root, "Permit", permit.decode())
            told = add(root, "Condition")
            for name, said in (condition or {"Kind": "0"}).items():
                add(told, name, said)
            add(root, "RequestedAt", _second(requested_at))
            add(root, "NonDisclosure", "1" if non_disclosure else "0")
            add(root, "EncryptionCertificate", self.inquirer.pem)
            return render(root)

        return serial, self._delivered(REQUEST, conv, 1, write)

    def permit(self, person: int, serial: str, requested_at: datetime, wanted: Permitted, mode: MessageMode) -> bytes:
        """Return a signed permit; it is the right one, as far as nothing else is wanted."""
        id_ = self.permits[serial] = uuid4()
        day = as_tokyo(requested_at).date()
        root = new_message("ProvisionPermit", MessageHeader(id_, PERMIT, mode, NETWORK_SYSTEM, PLATFORM_SYSTEM))
        told = {
            "PermitID": str(id_),
            "ProcessingSerial": wanted.serial or serial,
            "InquirerInstitution": wanted.inquirer or self.inquirer.institution,
            "ProviderInstitution": wanted.provider or self.organisation.institution,
            "LinkageCode": wanted.code or code_of(person),
            "Affair": AFFAIR,
            "Procedure": PROCEDURE,
            "Information": wanted.information or INFORMATION_2,
            "IssuedAt": _second(wanted.issued_at or requested_at),
            "ValidUntil": _second(wanted.valid_until or tokyo_day_begins(day + timedelta(days=31))),
            "EncryptionKid": wanted.kid or self.inquirer.kid,
        }
        for name, said in told.items():
            add(root, name, said)
        parties = {"from": NETWORK, "to": wanted.provider or self.organisation.institution}
        key = wanted.key or self.wire.network.key
        return wanted.change(sign(render(root), key, type=PERMIT, now=wanted.issued_at or self.now, headers=parties))

    def end(self, serial: str, kind: str, at: datetime, *, seq: int = 2) -> dict[str, str]:
        """Deliver the network's word that a request is over; return the receipt."""

        def write(mid: UUID) -> bytes:
            header = MessageHeader(mid, CANCELLATION, MessageMode.PRODUCTION, NETWORK_SYSTEM, PLATFORM_SYSTEM)
            root = new_message("ProvisionCancellation", header)
            told = {
                "ProcessingSerial": serial,
                "InquirerInstitution": self.inquirer.institution,
                "PermitID": str(self.permits[serial]),
                "Kind": kind,
                "At": _second(at),
            }
            for name, said in told.items():
                add(root, name, said)
            return render(root)

        return self._delivered(CANCELLATION, self.convs[serial], seq, write)

    def _delivered(self, kind: str, conv: UUID, seq: int, write: Callable[[UUID], bytes]) -> dict[str, str]:
        return self.wire.deliver(self.encrypted(kind, conv, seq, write))[1]

    def encrypted(self, kind: str, conv: UUID, seq: int, write: Callable[[UUID], bytes]) -> bytes:
        """Return a message of the network as it comes over the wire."""
        mid, to = uuid4(), self.organisation.institution
        headers: dict[str, str | int] = {"from": NETWORK, "to": to, "mid": str(mid), "conv": str(conv), "seq": seq}
        signed = sign(write(mid), self.wire.network.key, type=kind, now=self.now, headers=headers)
        kid, key = self.organisation.encryption
        return encrypt(signed, kid=kid, key=key, headers={"typ": kind, "to": to})

    # -- what came of it -----------------------------------------------------------------------------

    def relay(self) -> list[etree._Element]:
        """Let all answers leave; return those that the network took now."""
        before = len(self.network.answers)
        place = self.wire.place
        sender = Sender(
            actor=place.actor,
            sessions=place.sessions,
            peers=Peers(self.network, place.network.public_key),
            features=self.wire.features,
            retry=AT_ONCE.retry,
            clock=self.wire.clock,
            draw=lambda: 0.5,
        )
        Relay(place.vault, sender, AT_ONCE).run()
        return self.network.answers[before:]

    def answer(self) -> dict[str, str]:
        """Let the one answer that waits leave; return its elements."""
        (found,) = self.relay()
        return {str(element.tag): element.text or "" for element in found}

    def given(self, sealed: str) -> list[dict[str, list[str]]]:
        """Return the items of each record of an encrypted answer, as the inquirer reads them."""
        root = self.inquirer.opened(sealed, self.organisation)
        records = []
        for record in root.iterfind("Records/Record"):
            items: dict[str, list[str]] = {}
            for item in record.iterfind("Item"):
                items.setdefault(value(item, "Code"), []).append(value(item, "Value"))
            records.append(items)
        return records

    def stored(self, serial: str) -> Stored:
        with self.wire.place.sessions.begin(self.tenant) as connection:
            found = store.lock(connection, serial)
        assert found is not None
        return found

    def record(self, serial: str) -> Fact:
        (fact,) = self.records.find(self.tenant, serial=serial)
        return fact

    def count(self, table: str) -> int:
        queries = {"provision": "select count(*) from provision", "outbox": "select count(*) from outbox"}
        with self.wire.place.sessions.begin(self.tenant) as connection:
            return int(connection.execute(text(queries[table])).scalar_one())


def number(person: int) -> AddressNumber:
    return address_number(f"{person:015d}")


def scope(information: str | None = None, dataset: str | None = None, person: int | None = None) -> Scope:
    return Scope(
        InformationCode(information) if information else None,
        DatasetNumber(dataset) if dataset else None,
        number(person) if person is not None else None,
    )


def _second(instant: datetime) -> str:
    return as_tokyo(instant).isoformat(timespec="seconds")
