"""The messages that the test sends: all of the test mode, all of test persons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

from lxml import etree

from chukan.tenants.middleserver.connections.inquiries import LIST, RESULTS, SINGLE, WITHDRAWAL
from chukan.tenants.middleserver.connections.intake import CODES, REGISTRATION, REGISTRATION_ANSWER
from chukan.tenants.middleserver.connections.invented import INQUIRER, WAITING_SERIAL
from chukan.tenants.middleserver.connections.provisions import BARS, DECISION, WAITING
from chukan.tenants.middleserver.formats.codes import SystemId
from chukan.tenants.middleserver.formats.messages import (
    Element,
    MessageHeader,
    MessageMode,
    add,
    new_message,
)

#: The root element of each message that an organisation's system sends.
ROOTS: Mapping[str, str] = {
    REGISTRATION: "SPIRegistrationDeleteRequest",
    CODES: "CodeRequest",
    SINGLE: "SingleInquiryRequest",
    LIST: "InquiryListRequest",
    RESULTS: "InquiryResultsRequest",
    WITHDRAWAL: "InquiryWithdrawalRequest",
    WAITING: "WaitingProvisionsRequest",
    DECISION: "ProvisionDecisionRequest",
    BARS: "AutomaticReplyBarRequest",
}
#: What it is answered with.
ANSWERS: Mapping[str, str] = {
    kind: REGISTRATION_ANSWER if kind == REGISTRATION else kind.replace("_R01", "_S01") for kind in ROOTS
}
#: The platform's end, as the documented samples name it.
_PLATFORM = SystemId("B000000001")
#: Of the test mode, in which codes are not compared with the masters (the documented samples have the same).
INFORMATION, _AFFAIR, _PROCEDURE, _PROVIDER = (
    "TM00000000000002", "JM01000000121000", "JT01010000000214", "0220113100002200",
)  # fmt: skip


@dataclass(frozen=True)
class Sender:
    """Who sends, as --organisation, --department, --system and --user say."""

    organisation: str
    department: str
    system: str
    user: str


@dataclass(frozen=True)
class Sent:
    """A message as it is sent: its type, its MSGID, its bytes."""

    kind: str
    id: str
    body: bytes


class Writer:
    """Writes messages of one sender."""

    def __init__(self, sender: Sender) -> None:
        """Write in the name of *sender*."""
        self._sender = sender

    def begun(self, kind: str, identity: UUID | None = None) -> Element:
        """Return a message of *kind* with its header and nothing else."""
        sender = self._sender
        header = MessageHeader(identity or uuid4(), kind, MessageMode.TEST, SystemId(sender.system), _PLATFORM)
        root = new_message(ROOTS[kind], header)
        add(root, "RequestSourceUnitCode", sender.department)
        add(root, "RequestSourceUserID", sender.user)
        return root

    def codes(self, persons: Sequence[str], identity: UUID | None = None) -> Sent:
        """Ask for the linkage codes of *persons*."""
        root = self.begun(CODES, identity)
        for person in persons:
            add(root, "IntegratedAddressNumber", person)
        return sent(root)

    def registration(self, name: str, upload: str) -> Sent:
        """Have the file *name* registered, which *upload* (an id) brought."""
        root = self.begun(REGISTRATION)
        add(root, "AttachedFileName", name)
        add(root, "AttachmentID", upload)
        return sent(root)

    def single(self, person: str) -> Sent:
        """Ask one inquiry."""
        root = self.begun(SINGLE)
        _inquiry(root, person)
        return sent(root)

    def by_number(self, kind: str, number: str, **further: str) -> Sent:
        """Name a request by its reception number; *further* elements follow it."""
        root = self.begun(kind)
        add(root, "ReceptionNumber", number)
        for name, value in further.items():
            add(root, name, value)
        return sent(root)

    def list(self, persons: Sequence[str], identity: UUID | None = None) -> Sent:
        """Register a list of inquiries."""
        root = self.begun(LIST, identity)
        for person in persons:
            _inquiry(root, person)
        return sent(root)

    def status(self, numbers: Sequence[str]) -> Sent:
        """Ask with FI_SKI_0005 how requests stand."""
        root = self.begun(RESULTS)
        file = add(root, "StatusRequestFile")
        for number in numbers:
            add(file, "ReceptionNumber", number)
        return sent(root)

    def withdrawal(self, serial: str) -> Sent:
        """Take back one inquiry."""
        root = self.begun(WITHDRAWAL)
        add(root, "ProcessingSerial", serial)
        return sent(root)

    def waiting(self) -> Sent:
        """Ask what waits for staff."""
        root = self.begun(WAITING)
        add(root, "Limit", "100")
        return sent(root)

    def decision(self, kind: str, *values: tuple[str, str], serial: str = WAITING_SERIAL) -> Sent:
        """Decide on the request *serial*: *kind* is the element, *values* its children by name and text."""
        root = self.begun(DECISION)
        add(root, "ProcessingSerial", serial)
        add(root, "InquirerInstitution", INQUIRER)
        decided = add(root, kind)
        for name, value in values:
            add(decided, name, value)
        return sent(root)

    def temporary(self, region: str) -> Sent:
        """Decide with a record that staff typed in."""
        root = self.begun(DECISION)
        add(root, "ProcessingSerial", WAITING_SERIAL)
        add(root, "InquirerInstitution", INQUIRER)
        record = add(add(root, "TemporaryInput"), "Record")
        told = {
            "DataSetIdentificationItemCode": "0101",
            "SPIMajorVersion": "1",
            "DataSetRecordKey": "test",
            "PublicationDate": "2019-06-17",
            "AdministrativeRegionCode": region,
        }
        for name, value in told.items():
            add(record, name, value)
        return sent(root)

    def bars(self, kind: str, person: str) -> Sent:
        """Bar (``Bar``) or lift (``Lift``) a person, and a dataset."""
        root = self.begun(BARS)
        told = add(root, kind)
        if kind == "Bar":
            add(told, "Reason", "connection test")
        add(add(told, "Scope"), "IntegratedAddressNumber", person)
        dataset = add(told, "Scope")
        add(dataset, "SpecificPersonalInformationCode", INFORMATION)
        add(dataset, "DataSetIdentificationItemCode", "0101")
        return sent(root)


def sent(root: Element) -> Sent:
    """Return the message of *root*, an element a line, so that places can be told by their lines."""
    body = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return Sent(root.findtext("MessageHeader/MSGTypeID") or "", root.findtext("MessageHeader/MSGID") or "", body)


def line_of(element: Element) -> int:
    """Return the line of *element* in the bytes that it was read from."""
    # lxml's stubs do not know its type.
    return int(cast("Any", element).sourceline or 0)


def _inquiry(root: Element, person: str) -> None:
    inquiry = add(root, "Inquiry")
    add(inquiry, "IntegratedAddressNumber", person)
    add(inquiry, "SpecificPersonalInformationCode", INFORMATION)
    add(inquiry, "Affair", _AFFAIR)
    add(inquiry, "Procedure", _PROCEDURE)
    add(add(inquiry, "Condition"), "Kind", "0")
    add(inquiry, "ProviderInstitution", _PROVIDER)
