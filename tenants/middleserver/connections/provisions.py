"""What existing systems do about provisions: see what waits for staff, tell their decisions, bar automatic replies.

Until the terminal exists, staff decide through their own system (decision 32). In test mode one invented request
waits, and nothing that is decided has an effect.

Source: A0-094, A0-167, A1-016, A3-004.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from chukan.tenants.middleserver.connections import invented
from chukan.tenants.middleserver.connections.intake import Request, Work, answer_header
from chukan.tenants.middleserver.connections.rules import Allowed, TestPersons
from chukan.tenants.middleserver.formats.codes import (
    AddressNumber,
    DatasetNumber,
    InformationCode,
    address_number,
)
from chukan.tenants.middleserver.formats.messages import (
    Element,
    Message,
    MessageMode,
    add,
    new_message,
    render,
    value,
)
from chukan.tenants.middleserver.inquiries.rules import japan_second
from chukan.tenants.middleserver.provisions.bars import Scope
from chukan.tenants.middleserver.provisions.decisions import Decision, Defer, Provide, ProvideRecords, Refuse
from chukan.tenants.middleserver.provisions.documents import Given
from chukan.tenants.middleserver.provisions.errors import ProvisionUnknown
from chukan.tenants.middleserver.provisions.rules import Reason, State
from chukan.tenants.middleserver.provisions.service import Provisions
from chukan.tenants.middleserver.provisions.staff import Waiting
from chukan.tenants.middleserver.provisions.trail import Caller

WAITING, WAITING_ANSWER = "IF_TKY_X0011_R01", "IF_TKY_X0011_S01"
DECISION, DECISION_ANSWER = "IF_TKY_X0012_R01", "IF_TKY_X0012_S01"
BARS, BARS_ANSWER = "IF_TKY_X0013_R01", "IF_TKY_X0013_S01"
_MOST = 1000


class ProvisionMessages:
    """What is done with messages about provisions."""

    def __init__(self, provisions: Provisions, persons: TestPersons) -> None:
        """Work with *provisions*; *persons* are those of the test mode."""
        self._provisions = provisions
        self._persons = persons

    def works(self) -> Mapping[str, Work]:
        """Return what is done, by message type."""
        return {
            WAITING: Work(Allowed.PROVISIONS, self._waiting, stored=False),
            DECISION: Work(Allowed.PROVISIONS, self._decide),
            BARS: Work(Allowed.PROVISIONS, self._bar),
        }

    def _waiting(self, request: Request, message: Message) -> bytes:
        if message.header.mode is MessageMode.TEST:
            found = [invented.waiting(request.now)]
        else:
            limit = int(message.value("Limit") or _MOST)
            found = self._provisions.pending(_caller(request), limit=limit)
        root = new_message("WaitingProvisionsAnswer", answer_header(message, WAITING_ANSWER))
        for each in found:
            _add_waiting(add(root, "Provision"), each)
        return render(root)

    def _decide(self, request: Request, message: Message) -> bytes:
        serial, inquirer = message.value("ProcessingSerial"), message.value("InquirerInstitution")
        decision, state = _decision(message.root)
        if message.header.mode is MessageMode.PRODUCTION:
            self._provisions.decide(_caller(request), serial, decision, now=request.now, inquirer=inquirer)
        elif (serial, inquirer) != (invented.WAITING_SERIAL, invented.INQUIRER):
            raise ProvisionUnknown(serial=serial)
        root = new_message("ProvisionDecisionAnswer", answer_header(message, DECISION_ANSWER))
        add(root, "ProcessingSerial", serial)
        add(root, "State", state.value)
        return render(root)

    def _bar(self, request: Request, message: Message) -> bytes:
        lifts = message.root.find("Lift") is not None
        scopes = [_scope(each) for each in message.root.iterfind("Lift/Scope" if lifts else "Bar/Scope")]
        self._persons.require(message.header.mode, [scope.address for scope in scopes if scope.address is not None])
        if message.header.mode is MessageMode.TEST:
            count = len(set(scopes))
        elif lifts:
            count = self._provisions.lift(_caller(request), scopes, now=request.now)
        else:
            count = self._provisions.bar(_caller(request), scopes, message.value("Bar/Reason"), now=request.now)
        root = new_message("AutomaticReplyBarAnswer", answer_header(message, BARS_ANSWER))
        add(root, "Count", count)
        return render(root)


def _caller(request: Request) -> Caller:
    system = request.system
    return Caller(system.tenant, system.actor, request.id, system.department)


def _add_waiting(element: Element, found: Waiting) -> None:
    told = {
        "ProcessingSerial": found.serial,
        "InquirerInstitution": found.inquirer,
        "InquirerName": found.inquirer_name,
        "IntegratedAddressNumber": found.address,
        "SpecificPersonalInformationCode": found.information,
        "Affair": found.affair,
        "Procedure": found.procedure,
        "Cause": found.cause.value,
        "RequestedAt": japan_second(found.requested_at),
        "ValidUntil": japan_second(found.valid_until),
        "ExpectedOn": found.expected_on.isoformat() if found.expected_on else None,
    }
    for name, said in told.items():
        if said is not None:
            add(element, name, said)


def _decision(root: Element) -> tuple[Decision, State]:
    """Return what staff decided, and where the request stands after it."""
    if (given := root.find("TemporaryInput")) is not None:
        return ProvideRecords(_records(given)), State.PROVIDED
    if (deferred := root.find("Defer")) is not None:
        expected = date.fromisoformat(value(deferred, "ExpectedOn"))
        return Defer(expected, value(deferred, "Explanation")), State.DEFERRED
    if (refused := root.find("Refuse")) is not None:
        told = Refuse(
            Reason(value(refused, "Reason")), value(refused, "Explanation"), value(refused, "InternalReason")
        )  # fmt: skip
        return told, State.REFUSED
    return Provide(), State.PROVIDED


def _records(given: Element) -> Sequence[Given]:
    return [_record(each) for each in given.iterfind("Record")]


def _record(element: Element) -> Given:
    ends = value(element, "PublishedEndDate")
    return Given(
        dataset=value(element, "DataSetIdentificationItemCode"),
        version=int(value(element, "SPIMajorVersion")),
        key=value(element, "DataSetRecordKey"),
        parent=value(element, "ParentDataSetRecordKey"),
        published_from=date.fromisoformat(value(element, "PublicationDate")),
        published_to=date.fromisoformat(ends) if ends else None,
        region=value(element, "AdministrativeRegionCode"),
        items=tuple((value(each, "Code"), value(each, "Value")) for each in element.iterfind("Item")),
    )


def _scope(element: Element) -> Scope:
    person = value(element, "IntegratedAddressNumber")
    information, dataset = (
        value(element, "SpecificPersonalInformationCode"),
        value(element, "DataSetIdentificationItemCode"),
    )
    address: AddressNumber | None = address_number(person) if person else None
    return Scope(
        InformationCode(information) if information else None, DatasetNumber(dataset) if dataset else None, address
    )
