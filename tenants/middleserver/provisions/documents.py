"""The messages of a provision: reading what the network asks, writing what is answered.

Source: A0-154, A0-159; docs/interfaces/national-network.md, section 7.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from chukan.platform.clock import as_tokyo
from chukan.tenants.middleserver.duplicate_copies.copies import Copy
from chukan.tenants.middleserver.formats.messages import (
    Message,
    MessageHeader,
    MessageMode,
    add,
    new_message,
    render,
)
from chukan.tenants.middleserver.provisions.rules import Reason, counted
from chukan.tenants.middleserver.security.certificates.service import Signer
from chukan.tenants.middleserver.security.jose import encrypt
from chukan.tenants.middleserver.security.masters.package import NETWORK_SYSTEM, PLATFORM_SYSTEM
from chukan.tenants.middleserver.security.permits import certificate_key, instant

REQUEST = "IF_TKY_X0201_R01"
ANSWER = "IF_TKY_X0202_S01"
INFORMATION = "IF_TKY_X0203_S01"
CANCELLATION = "IF_TKY_X0204_R01"


@dataclass(frozen=True)
class Requested:
    """What a request says; of the permit, which says whom and what it is about, see ``security.permits``.

    ``year`` is a fiscal year. ``requested_at`` is UTC.
    """

    serial: str
    inquirer: str
    inquirer_name: str
    permit: str = field(repr=False)
    kind: str
    first: date | None
    last: date | None
    year: int | None
    requested_at: datetime
    non_disclosure: bool
    certificate: str = field(repr=False)


def read_request(message: Message) -> Requested:
    """Return what the request *message* says."""
    told = message.value
    first, last, year = (told(f"Condition/{name}") for name in ("From", "To", "Year"))
    return Requested(
        serial=told("ProcessingSerial"),
        inquirer=told("InquirerInstitution"),
        inquirer_name=told("InquirerName"),
        permit=told("Permit"),
        kind=told("Condition/Kind"),
        first=date.fromisoformat(first) if first else None,
        last=date.fromisoformat(last) if last else None,
        year=int(year) if year else None,
        requested_at=instant(told("RequestedAt")),
        non_disclosure=told("NonDisclosure") == "1",
        certificate=told("EncryptionCertificate"),
    )


@dataclass(frozen=True)
class Kept:
    """What is kept (sealed) of a request, so that it can be answered later: no permit and no code of a person."""

    provider: str
    inquirer_name: str
    information: str
    affair: str
    procedure: str
    kind: str
    first: str | None
    last: str | None
    year: int | None
    kid: str
    certificate: str = field(repr=False)

    def written(self) -> bytes:
        """Return it as it is sealed."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def read(cls, content: bytes) -> Kept:
        """Return what ``written`` returned."""
        return cls(**json.loads(content))

    @property
    def key(self) -> EllipticCurvePublicKey:
        """The key to which the answer is encrypted."""
        return certificate_key(self.certificate)

    @property
    def days(self) -> tuple[date | None, date | None]:
        """The days of the condition."""
        first, last = (date.fromisoformat(day) if day else None for day in (self.first, self.last))
        return first, last


@dataclass(frozen=True)
class Given:
    """One record that is provided, without what is excluded; ``published_to`` is its last day."""

    dataset: str
    version: int
    key: str
    parent: str
    published_from: date
    published_to: date | None
    region: str
    items: tuple[tuple[str, str], ...] = field(repr=False)

    @classmethod
    def of(cls, copy: Copy, excluded: Iterable[tuple[str, str]]) -> Given:
        """Return what is given of *copy*: no item of *excluded* (dataset and code), and none that has no value."""
        items = tuple((item.code, item.value) for item in copy.items if item.value)
        made = cls(
            copy.dataset,
            copy.version,
            copy.key,
            copy.parent,
            copy.published_from,
            copy.published_to,
            copy.region,
            items,
        )
        return made.without(excluded)

    def without(self, excluded: Iterable[tuple[str, str]]) -> Given:
        """Return it without the items of *excluded* (dataset and code)."""
        left_out = {item for dataset, item in excluded if dataset == self.dataset}
        return replace(self, items=tuple(item for item in self.items if item[0] not in left_out))


@dataclass(frozen=True)
class About:
    """Which request an answer belongs to."""

    serial: str
    inquirer: str
    provider: str
    permit: UUID


@dataclass(frozen=True)
class Envelope:
    """Who signs what is provided, and for whom it is encrypted."""

    signer: Signer
    kid: str
    key: EllipticCurvePublicKey = field(repr=False)


@dataclass(frozen=True)
class Deferral:
    """That the answer comes later. *explanation* is for the inquirer's staff, and tells nothing of the person."""

    reason: Reason
    expected_on: date | None
    explanation: str = ""


@dataclass(frozen=True)
class Refusal:
    """That nothing is provided, and why."""

    reason: Reason
    at: datetime
    explanation: str = ""


@dataclass(frozen=True)
class Provision:
    """What is provided, sealed already: what is given of each dataset and version, and the encrypted answer."""

    counts: Sequence[tuple[str, int, int]]
    sealed: str = field(repr=False)
    at: datetime


def answer(message: UUID, about: About, told: Provision | Deferral | Refusal) -> bytes:
    """Return the document of an answer; its id is *message*."""
    root = new_message("ProvisionAnswer", _header(message, ANSWER))
    add(root, "ProcessingSerial", about.serial)
    add(root, "InquirerInstitution", about.inquirer)
    add(root, "PermitID", str(about.permit))
    match told:
        case Provision(counts, sealed, at):
            add(root, "Result", "provided")
            add(root, "ProvidedAt", _second(at))
            datasets = add(root, "Datasets")
            for dataset, version, count in counts:
                entry = add(datasets, "Entry")
                for name, value in (("Dataset", dataset), ("Version", version), ("Count", count)):
                    add(entry, name, value)
            add(root, "EncryptedAnswer", sealed)
        case Deferral(reason, expected_on, explanation):
            add(root, "Result", "deferred")
            add(root, "Reason", reason.value)
            if expected_on is not None:
                add(root, "ExpectedOn", expected_on.isoformat())
            if explanation:
                add(root, "Explanation", explanation)
        case Refusal(reason, at, explanation):
            add(root, "Result", "refused")
            add(root, "Reason", reason.value)
            if explanation:
                add(root, "Explanation", explanation)
            add(root, "ProvidedAt", _second(at))
    return render(root)


def sealed(document: bytes, about: About, records: Sequence[Given], envelope: Envelope, *, now: datetime) -> Provision:
    """Return *document* (of ``information`` about *records*) signed by the provider, and for the inquirer's eyes alone.

    Source: A0-159.
    """
    parties = {"from": about.provider, "to": about.inquirer}
    signed = envelope.signer.sign(document, type=INFORMATION, now=now, headers=parties)
    headers = {"typ": INFORMATION, "to": about.inquirer}
    token = encrypt(signed, kid=envelope.kid, key=envelope.key, headers=headers)
    return Provision(counted((each.dataset, each.version) for each in records), token.decode(), now)


def information(about: About, code: str, records: Sequence[Given]) -> bytes:
    """Return the document of what is provided; *code* is that of the information."""
    root = new_message("ProvidedInformation", _header(uuid4(), INFORMATION))
    told = {
        "ProcessingSerial": about.serial,
        "InquirerInstitution": about.inquirer,
        "ProviderInstitution": about.provider,
        "Information": code,
        "PermitID": str(about.permit),
    }
    for name, value in told.items():
        add(root, name, value)
    listed = add(root, "Records")
    for record in records:
        element = add(listed, "Record")
        fields: dict[str, str | int | None] = {
            "Dataset": record.dataset,
            "Version": record.version,
            "RecordKey": record.key,
            "ParentRecordKey": record.parent or None,
            "PublishedFrom": record.published_from.isoformat(),
            "PublishedTo": record.published_to.isoformat() if record.published_to else None,
            "RegionCode": record.region,
        }
        for name, field_value in fields.items():
            if field_value is not None:
                add(element, name, field_value)
        for item_code, item_value in record.items:
            item = add(element, "Item")
            add(item, "Code", item_code)
            add(item, "Value", item_value)
    return render(root)


def _header(message: UUID, kind: str) -> MessageHeader:
    return MessageHeader(message, kind, MessageMode.PRODUCTION, PLATFORM_SYSTEM, NETWORK_SYSTEM)


def _second(at: datetime) -> str:
    return as_tokyo(at).isoformat(timespec="seconds")
